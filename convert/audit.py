"""Is every weight of the module in the file: bit for bit in float32, else as its type rounds it?

Where a recipe moves weights further than to the nearest integers, each is to be one that the card
names as what the integers were made from, and these are to be about it. The converter is known to
store one tensor's values in place of another's without a word, so its output is not taken on trust.
"""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chunkport.errors import ConversionError
from convert.stored.constants import StoredConstant, stored_constants
from convert.stored.weight_fit import (
    cuts_little,
    fits,
    is_shifted,
    is_too_coarse,
    points_alike,
)
from convert.stored.weight_origins import NEAREST, Rounding, weight_beside
from convert.tflite import read_flatbuffer

if TYPE_CHECKING:
    from torch import nn

# The layouts in which the converter stores a weight, most likely first; then all others.
_USUAL_ORDERS = ((0, 2, 3, 1), (1, 2, 3, 0), (1, 0), (2, 3, 1, 0))
_SHOWN = 5
_GLANCE = 16  # values that tell two weights apart, nearly always
_LOOK = 4096  # likewise where they were moved
_BLOCK = 1 << 18  # values compared at once: small enough for the processor's cache

# Stored constants by count of values: only these can hold a weight.
_Stored = Mapping[int, Sequence[StoredConstant]]
_Are = Callable[[NDArray[Any], StoredConstant], bool]


@dataclass(frozen=True)
class WeightAudit:
    """How many weights were looked for and found, their bytes, and what could not be looked for.

    Attributes:
        unaudited: the weights of normalisations, which the converter computes with.
    """

    tensors: int
    weight_bytes: int
    unaudited: tuple[str, ...] = ()


@dataclass(frozen=True)
class WeightSearch:
    """What came of looking for a module's weights in a file.

    Attributes:
        looked_for: how many there are to be found.
        found: how many are there, and their bytes in the module.
        lost: the names of those that are not.
        unaudited: the weights of normalisations, which the converter computes with.
    """

    looked_for: int
    found: int
    found_bytes: int
    lost: tuple[str, ...]
    unaudited: tuple[str, ...]


def audit_weights(module: "nn.Module", path: Path) -> WeightAudit:
    """Find every parameter and floating buffer of the module in the float32 file.

    Raises:
        ConversionError: one is not there; names each.
    """
    search = find_weights(module, path, in_float32=True)
    if search.lost:
        lost = search.lost
        more = f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
        raise ConversionError(
            f"the converter wrote wrong weights: {len(lost)} of {search.looked_for} are not in the "
            f".tflite bit for bit: {', '.join(lost[:_SHOWN])}{more}; nothing was kept"
        )
    return WeightAudit(search.found, search.found_bytes, search.unaudited)


def find_weights(
    module: "nn.Module",
    path: Path,
    *,
    in_float32: bool = False,
    rounding: Rounding = NEAREST,
) -> WeightSearch:
    """Look for every parameter and floating buffer of the module among a file's constants.

    A weight counts as found when a constant holds it in some order of its axes, as exactly as the
    constant's type allows, which is to be float32 where that is asked for; only a bias of
    zeros may be missing. What `rounding` allows besides counts too: values cut where their scale
    ends, and weights that moved. Both are read where they lie, a few MiB at a time. Those of a
    normalisation may be combined with others, exactly but beyond recognition; they are named in
    the result and not looked for.

    Raises:
        BadInputError: the file is no .tflite.
    """
    stored: defaultdict[int, list[StoredConstant]] = defaultdict(list)
    for constant in stored_constants(read_flatbuffer(path)):
        if (constant.dtype == np.float32 or not in_float32) and not is_too_coarse(constant):
            stored[constant.size].append(constant)
    weights = {
        name: tensor.detach().numpy()
        for name, tensor in itertools.chain(module.named_parameters(), module.named_buffers())
        if tensor.is_floating_point()
    }
    unaudited = {name for name in weights if name.rpartition(".")[0] in _normalisations(module)}
    weights = {name: values for name, values in weights.items() if name not in unaudited}
    absent = [
        name
        for name, values in weights.items()
        if not any(_found(values, stored, are) for are in _ways(name, weights, rounding))
    ]
    present = [values for name, values in weights.items() if name not in absent]
    return WeightSearch(
        looked_for=len(weights),
        found=len(present),
        found_bytes=sum(values.nbytes for values in present),
        lost=tuple(name for name in absent if not _adds_nothing(name, weights[name])),
        unaudited=tuple(sorted(unaudited)),
    )


def _adds_nothing(name: str, values: NDArray[Any]) -> bool:
    """Whether it is a bias of zeros, as before training: the converter leaves it out."""
    return name.rpartition(".")[2] == "bias" and not values.any()


def _normalisations(module: "nn.Module") -> set[str]:
    from torch.nn import GroupNorm, InstanceNorm1d, InstanceNorm2d, LayerNorm

    kinds = (GroupNorm, LayerNorm, InstanceNorm1d, InstanceNorm2d)
    return {name for name, child in module.named_modules() if isinstance(child, kinds)}


def _ways(name: str, weights: Mapping[str, NDArray[Any]], rounding: Rounding) -> Iterator[_Are]:
    """How the weight may be stored, the strictest first."""
    yield _same
    if rounding.clips:
        yield _cut
    if rounding.moved:
        yield partial(_fits, rounding=rounding)
    if rounding.may_move(weights[name]):
        weight = weights.get(weight_beside(name))
        if rounding.shifts_biases and weight is not None:
            yield lambda values, stored: is_shifted(values, weight, stored)


def _found(
    values: NDArray[Any],
    stored: _Stored,
    are: _Are,
) -> bool:
    candidates = stored.get(values.size, ())
    return any(
        are(values.transpose(order), candidate)
        for order in _orders(values.ndim)
        for candidate in candidates
    )


def _orders(rank: int) -> Iterator[tuple[int, ...]]:
    yield tuple(range(rank))
    yield from (order for order in _USUAL_ORDERS if len(order) == rank)
    yield from itertools.permutations(range(rank))


def _same(values: NDArray[Any], stored: StoredConstant, *, clipped: bool = False) -> bool:
    """Whether the values, in this order of axes, are what is stored; their shape does not count."""
    if not stored.holds(np.asarray(values.flat[:_GLANCE]), clipped=clipped):
        return False
    position = 0
    for block in _blocks(values):
        if not stored.holds(block, position, clipped=clipped):
            return False
        position += block.size
    return True


def _cut(values: NDArray[Any], stored: StoredConstant) -> bool:
    """Whether what is stored are the values, the largest of them cut."""
    return _same(values, stored, clipped=True) and cuts_little(_blocks(values), stored)


def _fits(values: NDArray[Any], stored: StoredConstant, rounding: Rounding) -> bool:
    """Whether what is stored is about the values, in this order of axes, and was made from them."""
    alike = points_alike(np.asarray(values.flat[:_LOOK]), stored)
    return alike and rounding.may_move(values) and fits(_blocks(values), stored)


def _blocks(values: NDArray[Any]) -> Iterator[NDArray[Any]]:
    if values.ndim == 0 or values.size <= _BLOCK:
        yield values
    elif len(values) == 1:
        yield from _blocks(values[0])
    else:
        rows = max(1, _BLOCK * len(values) // values.size)
        for first in range(0, len(values), rows):
            yield values[first : first + rows]
