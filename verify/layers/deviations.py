"""How far a .tflite is from the wrapper at each point, and how much of that was made there.

The wrapper runs twice in PyTorch on one input. Once as it is: that shows by how much the file's
values are off by then. And once with every value replaced, after it was compared, by the file's
own: then each layer gets from PyTorch what it got in the file, and what is still off was made
between the point before and this one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from chunkport.errors import BadInputError
from verify.layers.file_ops import FileOp, Values, expose
from verify.layers.pairing import Point
from verify.layers.wrapper_run import WeightedCall, run_watched
from verify.runtimes.litert import LiteRtSession

if TYPE_CHECKING:
    from wrappers.spec import Arrays

_KEPT = 1 << 16  # errors of a layer that are kept, to be compared with another run's
_TO_NHWC = (0, 2, 3, 1)


@dataclass(frozen=True, eq=False)
class Deviation:
    """At one point, on one input. Distances are Euclidean, relative to the wrapper's values.

    Attributes:
        inherited: of the file's values from the wrapper's, whatever it comes from.
        own: what of it was made here: the distance from the wrapper's on the file's own values.
        errors: that, value by value; of a large layer only some, always the same.
        norm: of the wrapper's values in the same places.
    """

    inherited: float
    own: float
    errors: NDArray[np.float32]
    norm: float

    def beyond(self, other: "Deviation") -> float:
        """The part of the own error that another run of the same layer does not have."""
        return _relative(_apart(self.errors.astype(np.float64), other.errors), self.norm)


@dataclass(frozen=True, eq=False)
class Run:
    """One file's deviations: by the index of the wrapper's operation, and by output name."""

    at_calls: Mapping[int, Deviation]
    at_outputs: Mapping[str, Deviation]


def measure(
    model: Any,
    points: Sequence[Point],
    wrapper: nn.Module,
    inputs: "Arrays",
    scratch: Path,
    *,
    threads: int,
    xnnpack: bool,
) -> Run:
    """Run the file once, with all points' values as outputs, and the wrapper twice.

    Args:
        model: the file's object tree.
        points: where they are compared.
        wrapper: in PyTorch.
        inputs: one sample.
        scratch: where to write the file with its inner tensors exposed; removed again.
        threads: of the runtime.
        xnnpack: whether the delegate computes, or the interpreter's own kernels.

    Raises:
        BadInputError: the file has no signature, or the runtime refuses it.
    """
    compared = {point.call.index: point.op for point in points if point.op is not None}
    names = expose(model, list(compared.values()), scratch)
    try:
        given = LiteRtSession(scratch, threads, xnnpack=xnnpack).run(inputs)
    except (ValueError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise BadInputError(
            f"the runtime refuses the file once its inner tensors are outputs: {reason}"
        ) from error
    finally:
        scratch.unlink(missing_ok=True)
    values = {call: given[names[op.index]] for call, op in compared.items()}
    inherited: dict[int, float] = {}
    own: dict[int, Deviation] = {}

    def compare(call: WeightedCall, result: torch.Tensor) -> None:
        if call.index in values:
            expected = _as_in_file(result, call, compared[call.index])
            error, norm = _difference(values[call.index], expected)
            inherited[call.index] = _relative(error, norm)

    def replace(call: WeightedCall, result: torch.Tensor) -> torch.Tensor | None:
        if call.index not in values:
            return None
        op, actual = compared[call.index], values[call.index]
        expected = _as_in_file(result, call, op)
        own[call.index] = _deviation(inherited[call.index], actual, expected)
        return _as_in_wrapper(actual, call, op)

    plain = run_watched(wrapper, inputs, compare)
    forced = run_watched(wrapper, inputs, replace)
    ends = {
        name: _deviation(_relative(*_difference(given[name], plain[name])), given[name], expected)
        for name, expected in forced.items()
    }
    return Run(own, ends)


def _deviation(inherited: float, actual: Values, expected: Values) -> Deviation:
    error, norm = _difference(actual, expected)
    own = _relative(error, norm)
    if error.size > _KEPT:
        # Here and there by chance: every k-th value could be of the same few channels each time.
        chosen = np.random.default_rng(0).integers(0, error.size, _KEPT)
        error, norm = _difference(actual.reshape(-1)[chosen], expected.reshape(-1)[chosen])
    return Deviation(inherited, own, error.astype(np.float32), norm)


def _difference(actual: Values, expected: Values) -> tuple[NDArray[np.float64], float]:
    """Value by value, flat, and the norm of what was expected.

    What PyTorch itself makes NaN or infinite of the file's values is not to be expected of it.
    """
    one, other = (item.reshape(-1).astype(np.float64) for item in (actual, expected))
    finite = np.isfinite(other)
    error = _apart(one, np.where(finite, other, one))
    return error, float(np.linalg.norm(other[finite]))


def _apart(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float64]:
    """Value by value; NaN is infinitely far from all but itself."""
    with np.errstate(invalid="ignore"):
        error = np.where((one == other) | (np.isnan(one) & np.isnan(other)), 0.0, one - other)
    error[np.isnan(error)] = np.inf
    return error


def _relative(error: NDArray[np.float64], norm: float) -> float:
    with np.errstate(invalid="ignore"):
        away = float(np.linalg.norm(error))
    away = away if np.isfinite(away) else float("inf")
    return away / norm if norm else away


def _as_in_file(result: torch.Tensor, call: WeightedCall, op: FileOp) -> Values:
    """The wrapper's values laid out and clipped as the op gives them."""
    values = result.permute(_axes(call, op)).reshape(op.shape)
    if op.clip is not None:
        values = values.clamp(*op.clip)
    return values.numpy()


def _as_in_wrapper(values: Values, call: WeightedCall, op: FileOp) -> torch.Tensor:
    """An op's values laid out as the wrapper's."""
    axes = _axes(call, op)
    laid_out = torch.from_numpy(np.array(values)).reshape([call.shape[axis] for axis in axes])
    return laid_out.permute(*np.argsort(axes).tolist()).contiguous()


def _axes(call: WeightedCall, op: FileOp) -> tuple[int, ...]:
    """The order of the wrapper's axes in the file, where pictures are always NHWC."""
    same = tuple(range(len(call.shape)))
    if len(call.shape) != len(_TO_NHWC):
        return same
    if call.function.startswith("conv"):
        return _TO_NHWC
    turned = tuple(call.shape[axis] for axis in _TO_NHWC)
    return _TO_NHWC if turned == op.shape != call.shape else same
