"""After conversion: is every weight of the module in the file, bit for bit?

The converter is known to store one tensor's values in place of another's without a word, so its
output is not taken on trust.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chunkport.errors import ConversionError
from convert.tflite import constants, read_flatbuffer

if TYPE_CHECKING:
    from torch import nn

# The layouts in which the converter stores a weight, most likely first; then all others.
_USUAL_ORDERS = ((0, 2, 3, 1), (1, 2, 3, 0), (1, 0), (2, 3, 1, 0))
_SHOWN = 5
_GLANCE = 16  # values that tell two weights apart, nearly always
_BLOCK = 1 << 18  # values compared at once: small enough for the processor's cache

# Stored constants by dtype and count of values: only these can hold a weight.
_Stored = Mapping[tuple[np.dtype[Any], int], Sequence[NDArray[Any]]]


@dataclass(frozen=True)
class WeightAudit:
    """How many weights were looked for and found, their bytes, and what could not be looked for.

    Attributes:
        unaudited: the weights of normalisations, which the converter computes with.
    """

    tensors: int
    weight_bytes: int
    unaudited: tuple[str, ...] = ()


def audit_weights(module: "nn.Module", path: Path) -> WeightAudit:
    """Find every parameter and floating buffer of the module among the file's constants.

    A weight counts as found when a constant holds its very bits in some order of its axes; only a
    bias of zeros may be missing. Both are read where they lie, a few MiB at a time. Those of a
    normalisation may be combined with others, exactly but beyond recognition; they are named in
    the result and not looked for.

    Raises:
        ConversionError: one is not there; names each.
    """
    stored: defaultdict[tuple[np.dtype[Any], int], list[NDArray[Any]]] = defaultdict(list)
    for constant in constants(read_flatbuffer(path)):
        values = constant.values.reshape(-1)
        stored[values.dtype, values.size].append(values)
    weights = {
        name: tensor.detach().numpy()
        for name, tensor in itertools.chain(module.named_parameters(), module.named_buffers())
        if tensor.is_floating_point()
    }
    unaudited = {name for name in weights if name.rpartition(".")[0] in _normalisations(module)}
    weights = {name: values for name, values in weights.items() if name not in unaudited}
    absent = [name for name, values in weights.items() if not _found(values, stored)]
    lost = [name for name in absent if not _adds_nothing(name, weights[name])]
    if lost:
        more = f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
        raise ConversionError(
            f"the converter wrote wrong weights: {len(lost)} of {len(weights)} are not in the "
            f".tflite bit for bit: {', '.join(lost[:_SHOWN])}{more}; nothing was kept"
        )
    present = [values for name, values in weights.items() if name not in absent]
    weight_bytes = sum(values.nbytes for values in present)
    return WeightAudit(len(present), weight_bytes, tuple(sorted(unaudited)))


def _adds_nothing(name: str, values: NDArray[Any]) -> bool:
    """Whether it is a bias of zeros, as before training: the converter leaves it out."""
    return name.rpartition(".")[2] == "bias" and not values.any()


def _normalisations(module: "nn.Module") -> set[str]:
    from torch.nn import GroupNorm, InstanceNorm1d, InstanceNorm2d, LayerNorm

    kinds = (GroupNorm, LayerNorm, InstanceNorm1d, InstanceNorm2d)
    return {name for name, child in module.named_modules() if isinstance(child, kinds)}


def _found(values: NDArray[Any], stored: _Stored) -> bool:
    candidates = stored.get((values.dtype, values.size), ())
    return any(
        _same(values.transpose(order), candidate)
        for order in _orders(values.ndim)
        for candidate in candidates
    )


def _orders(rank: int) -> Iterator[tuple[int, ...]]:
    yield tuple(range(rank))
    yield from (order for order in _USUAL_ORDERS if len(order) == rank)
    yield from itertools.permutations(range(rank))


def _same(values: NDArray[Any], stored: NDArray[Any]) -> bool:
    """Whether the values, in this order of axes, are those bits; their shape does not count."""
    if not np.array_equal(_bits(values.flat[:_GLANCE]), _bits(stored[:_GLANCE])):
        return False
    position = 0
    for block in _blocks(values):
        flat = _bits(block)
        if not np.array_equal(flat, _bits(stored[position : position + flat.size])):
            return False
        position += flat.size
    return True


def _blocks(values: NDArray[Any]) -> Iterator[NDArray[Any]]:
    if values.ndim == 0 or values.size <= _BLOCK:
        yield values
    elif len(values) == 1:
        yield from _blocks(values[0])
    else:
        rows = max(1, _BLOCK * len(values) // values.size)
        for first in range(0, len(values), rows):
            yield values[first : first + rows]


def _bits(values: NDArray[Any]) -> NDArray[Any]:
    """The values as integers, so that NaN equals itself and -0 does not equal 0."""
    return np.ascontiguousarray(values).reshape(-1).view(f"u{values.dtype.itemsize}")
