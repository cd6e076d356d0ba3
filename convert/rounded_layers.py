"""What ways of rounding have in common: a layer, its integers, the scale to begin with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Arrays = Mapping[str, NDArray[Any]]

# The scales that are tried, as shares of the one that cuts nothing.
_SHARES = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6)
_TINY = 1e-12


@dataclass(frozen=True)
class Layer:
    """A layer whose weights are to be integers.

    Attributes:
        output: index of the tensor that it writes.
        weight: index of its weight, whose first axis are the channels.
        bias: index of its bias, or None.
        bits: of an integer.
    """

    output: int
    weight: int
    bias: int | None
    bits: int


@dataclass(frozen=True, eq=False)
class RoundedWeight:
    """A weight as integers of (channels, ...), and what a 1 is worth in each channel."""

    integers: NDArray[np.int8]
    scale: NDArray[np.float32]

    def values(self) -> NDArray[np.float32]:
        """What the integers stand for."""
        along = (-1, *[1] * (self.integers.ndim - 1))
        return self.integers * self.scale.reshape(along)


def largest_integer(bits: int) -> int:
    """The lowest of all, such as -8, is left out: not every kernel of LiteRT's knows it."""
    return int(2 ** (bits - 1) - 1)


def best_scale(weight: Tensor, largest: int, shares: Sequence[float] = _SHARES) -> Tensor:
    """Per channel the scale that leaves the least squared error; (channels, 1, ...)."""
    axes = tuple(range(1, weight.dim()))
    full = (weight.abs().amax(axes, keepdim=True) / largest).clamp(min=_TINY)
    best, least = full, torch.full_like(full, torch.inf)
    for share in shares:
        scale = full * share
        values = (weight / scale).round().clamp(-largest, largest) * scale
        error = (values - weight).square().sum(axes, keepdim=True)
        best, least = torch.where(error < least, scale, best), torch.minimum(error, least)
    return best
