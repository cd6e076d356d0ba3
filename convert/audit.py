"""After conversion: is every weight of the module in the file, bit for bit?

The converter is known to store one tensor's values in place of another's without a word, so its
output is not taken on trust.
"""

import hashlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from chunkport.errors import ConversionError
from convert.tflite import constants, read_flatbuffer

# The layouts in which the converter stores a weight, most likely first; then all others.
_USUAL_ORDERS = ((0, 2, 3, 1), (1, 2, 3, 0), (1, 0), (2, 3, 1, 0))
_SHOWN = 5


@dataclass(frozen=True)
class WeightAudit:
    """How many weights were looked for and found, their bytes, and what could not be looked for.

    Attributes:
        unaudited: the weights of normalisations, which the converter computes with.
    """

    tensors: int
    weight_bytes: int
    unaudited: tuple[str, ...] = ()


def audit_weights(module: nn.Module, path: Path) -> WeightAudit:
    """Find every parameter and floating buffer of the module among the file's constants.

    A weight counts as found when a constant holds its very bits in some order of its axes. Those
    of a normalisation may be combined with others, exactly but beyond recognition; they are named
    in the result and not looked for.

    Raises:
        ConversionError: one is not there; names each.
    """
    stored = {_digest(constant.values) for constant in constants(read_flatbuffer(path))}
    weights = {
        name: tensor.detach().numpy()
        for name, tensor in itertools.chain(module.named_parameters(), module.named_buffers())
        if tensor.is_floating_point()
    }
    unaudited = {name for name in weights if name.rpartition(".")[0] in _normalisations(module)}
    weights = {name: values for name, values in weights.items() if name not in unaudited}
    lost = [name for name, values in weights.items() if not _found(values, stored)]
    if lost:
        more = f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
        raise ConversionError(
            f"the converter wrote wrong weights: {len(lost)} of {len(weights)} are not in the "
            f".tflite bit for bit: {', '.join(lost[:_SHOWN])}{more}; nothing was kept"
        )
    weight_bytes = sum(values.nbytes for values in weights.values())
    return WeightAudit(len(weights), weight_bytes, tuple(sorted(unaudited)))


def _normalisations(module: nn.Module) -> set[str]:
    kinds = (nn.GroupNorm, nn.LayerNorm, nn.InstanceNorm1d, nn.InstanceNorm2d)
    return {name for name, child in module.named_modules() if isinstance(child, kinds)}


def _found(values: NDArray[np.generic], stored: Iterable[bytes]) -> bool:
    return any(_digest(values.transpose(order)) in stored for order in _orders(values.ndim))


def _orders(rank: int) -> Iterator[tuple[int, ...]]:
    yield tuple(range(rank))
    yield from (order for order in _USUAL_ORDERS if len(order) == rank)
    yield from itertools.permutations(range(rank))


def _digest(values: NDArray[np.generic]) -> bytes:
    """Identifies dtype and bits in this order; axes of length one and the shape do not count."""
    digest = hashlib.blake2b(values.dtype.str.encode(), digest_size=16)
    digest.update(np.ascontiguousarray(values).data)
    return digest.digest()
