"""One file beside the wrapper: paired with it, its weights looked at, and run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from chunkport.errors import BadInputError
from convert.stored.weight_origins import NEAREST, Rounding
from convert.tflite import read_flatbuffer
from verify.layers.deviations import Run, measure
from verify.layers.file_ops import FileOp, read_ops
from verify.layers.pairing import Point, pair
from verify.layers.stored_weights import WeightFinding, examine
from verify.layers.wrapper_run import WeightedCall

if TYPE_CHECKING:
    from wrappers.spec import Arrays


@dataclass(frozen=True, eq=False)
class Bench:
    """What every file of a model is examined with.

    Attributes:
        wrapper: in PyTorch.
        calls: its operations on weights.
        sample: one input.
        folder: for temporary files.
        threads: of the runtime.
        on_step: told what is being done.
    """

    wrapper: nn.Module
    calls: Sequence[WeightedCall]
    sample: "Arrays"
    folder: Path
    threads: int
    on_step: Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Examined:
    """What was found of one file.

    Attributes:
        ops: the file's.
        points: where it can be compared, by the index of the wrapper's operation.
        wrong: the weights that are not what they should be, likewise.
        run: without a delegate.
        delegated: with XNNPACK; None where that was not asked for.
        tensors: the names of the file's tensors.
    """

    ops: Sequence[FileOp]
    points: Mapping[int, Point]
    wrong: Mapping[int, tuple[WeightFinding, ...]]
    run: Run
    delegated: Run | None
    tensors: Sequence[str]


def examine_file(
    path: Path,
    bench: Bench,
    rounding: Rounding = NEAREST,
    *,
    delegate: bool = False,
    run: bool = True,
) -> Examined:
    """Pair the file with the wrapper, look at its weights and run it.

    Args:
        path: the file.
        bench: what it is examined with.
        rounding: what may have become of its weights.
        delegate: whether to run it with XNNPACK, too.
        run: whether to run it at all.

    Raises:
        BadInputError: it is no .tflite, a damaged one, or one of another wrapper; or the runtime
            refuses it.
    """
    model = read_flatbuffer(path)
    ops = read_ops(model)
    points = pair(bench.calls, ops)
    if not any(point.op for point in points):
        raise BadInputError(
            f"{path}: none of its layers is one of the wrapper's; convert the checkpoint again"
        )
    found = [item for point in points for item in point.weights]
    wrong = {
        point.call.index: tuple(
            finding
            for finding in (examine(item, found, rounding) for item in point.weights)
            if finding.wrong
        )
        for point in points
    }

    def ran(*, xnnpack: bool) -> Run:
        bench.on_step(f"{path.name} {'with' if xnnpack else 'without'} XNNPACK")
        scratch = bench.folder / "exposed.tflite"
        return measure(
            model,
            points,
            bench.wrapper,
            bench.sample,
            scratch,
            threads=bench.threads,
            xnnpack=xnnpack,
        )

    return Examined(
        ops,
        {point.call.index: point for point in points},
        wrong,
        ran(xnnpack=False) if run else Run({}, {}),
        ran(xnnpack=True) if run and delegate else None,
        _names(model),
    )


def _names(model: Any) -> list[str]:
    return [tensor.name.decode() for tensor in model.subgraphs[0].tensors]
