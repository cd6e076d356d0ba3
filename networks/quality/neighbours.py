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


def nearest_of(ones: Rows, others: Rows, rank: int) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Of each of `ones` (N, ...) the distances to its `rank` nearest of `others`, and their places.

    Both are (N, rank), the nearest first.
    """
    apart, places = [], []
    for first in range(0, len(ones), _BLOCK):
        block = distances_between(ones[first : first + _BLOCK], others)
        order = np.argpartition(block, rank - 1, axis=1)[:, :rank]
        found = np.take_along_axis(block, order, axis=1)
        sorting = found.argsort(axis=1, kind="stable")
        places.append(np.take_along_axis(order, sorting, axis=1))
        apart.append(np.take_along_axis(found, sorting, axis=1))
    return np.concatenate(apart), np.concatenate(places)
