"""How far the rows of two sets lie apart, and which are the nearest of each other."""

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.floating]
_BLOCK = 512  # rows at once, so that memory grows with the number of pictures and not its square


def flattened(pictures: Rows) -> NDArray[np.float64]:
    """Pictures (N, ...) as rows, (N, D)."""
    return np.asarray(pictures, np.float64).reshape(len(pictures), -1)


def distances_between(ones: Rows, others: Rows) -> NDArray[np.float64]:
    """The RMS difference of each of `ones` (N, ...) from each of `others` (M, ...), (N, M).

    Computed around the mean of the others, so that it is exact to about 1e-7 of what differs.
    """
    x, y = flattened(ones), flattened(others)
    centre = y.mean(axis=0)
    x, y = x - centre, y - centre
    apart = np.square(x).sum(axis=1)[:, None] + np.square(y).sum(axis=1)[None, :] - 2 * (x @ y.T)
    found: NDArray[np.float64] = np.sqrt(np.maximum(apart, 0) / x.shape[1])
    return found


def nearest_of(ones: Rows, others: Rows) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Of each of `ones` (N, ...) the distance to the nearest of `others`, and its place there."""
    apart, places = [], []
    for first in range(0, len(ones), _BLOCK):
        block = distances_between(ones[first : first + _BLOCK], others)
        nearest = block.argmin(axis=1)
        places.append(nearest)
        apart.append(block[np.arange(len(block)), nearest])
    return np.concatenate(apart), np.concatenate(places)
