"""Sums as float16 gives them, term after term or in pairs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LARGEST_HALF = 65504.0  # the largest finite float16
_MOST_SUMS = 512  # computed in float16, of each reduction


@dataclass(frozen=True)
class HalfSum:
    """What float16 makes of the sums of one reduction.

    Attributes:
        extent: terms of each sum.
        largest: the largest magnitude that a sum has in truth.
        sequential_error: the largest error of a mean of terms added one after the other, relative
            to the terms' RMS; infinite where a sum overflows on the way.
        pairwise_error: likewise of terms added in pairs, and the sums in pairs again.
    """

    extent: int
    largest: float
    sequential_error: float
    pairwise_error: float

    @property
    def bits_kept(self) -> float:
        """Of float16's 11 bits, those that are right when adding one after the other."""
        if self.sequential_error == 0:
            return 11.0
        return float(np.clip(-np.log2(self.sequential_error), 0, 11))


def sum_in_half(values: NDArray[np.float32], axes: tuple[int, ...]) -> HalfSum:
    """What float16 makes of the sums of `values` over `axes`, the values being rounded first.

    Of very many sums it takes the largest ones and a sample of the others.
    """
    axes = tuple(axis % values.ndim for axis in axes)
    kept = [axis for axis in range(values.ndim) if axis not in axes]
    terms = values.transpose(*axes, *kept).reshape(
        int(np.prod([values.shape[axis] for axis in axes])), -1
    )
    exact = terms.sum(axis=0, dtype=np.float64)
    largest = float(np.abs(exact).max(initial=0))
    extent = len(terms)
    if terms.shape[1] > _MOST_SUMS:  # the largest of them, and as many from all over
        ranked = np.argsort(-np.abs(exact))[: _MOST_SUMS // 2]
        spread = np.linspace(0, terms.shape[1] - 1, _MOST_SUMS // 2).astype(int)
        chosen = np.union1d(ranked, spread)
        terms, exact = terms[:, chosen], exact[chosen]
    with np.errstate(over="ignore", invalid="ignore"):
        halves = terms.astype(np.float16)
        scale = np.sqrt(np.square(terms, dtype=np.float64).mean(axis=0))
        return HalfSum(
            extent,
            largest,
            _error(_one_by_one(halves), exact, scale, extent),
            _error(_in_pairs(halves), exact, scale, extent),
        )


def _one_by_one(halves: NDArray[np.float16]) -> NDArray[np.float16]:
    total: NDArray[np.float16] = np.zeros_like(halves[0])
    for row in halves:
        total = total + row
    return total


def _in_pairs(halves: NDArray[np.float16]) -> NDArray[np.float16]:
    while len(halves) > 1:
        odd = halves[-1:] if len(halves) % 2 else halves[:0]
        halves = np.concatenate([halves[0:-1:2] + halves[1::2], odd])
    total: NDArray[np.float16] = halves[0]
    return total


def _error(
    sums: NDArray[np.float16], exact: NDArray[np.float64], scale: NDArray[np.float64], extent: int
) -> float:
    if not np.isfinite(sums).all():
        return float("inf")
    error = np.abs(sums.astype(np.float64) - exact) / extent
    return float(np.divide(error, scale, out=np.zeros_like(error), where=scale > 0).max(initial=0))
