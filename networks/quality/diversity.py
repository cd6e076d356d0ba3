"""How much the pictures of a set differ from each other, and whether each is one of its own."""

import numpy as np
from numpy.typing import NDArray

from networks.quality.neighbours import distances_between

Pictures = NDArray[np.floating]


def distances(pictures: Pictures) -> NDArray[np.float64]:
    """The RMS difference of the values of any two pictures (N, ...), as (N, N); 0 on the diagonal.

    As exact as `distances_between`.
    """
    apart = distances_between(pictures, pictures)
    np.fill_diagonal(apart, 0)
    return apart


def mean_distance(apart: NDArray[np.float64]) -> float:
    """The mean of `distances` over all pairs of two pictures."""
    count = len(apart)
    return float(apart.sum() / (count * (count - 1)))


def nearest_distances(apart: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each picture is from the one most like it, (N,)."""
    others = apart + np.diag(np.full(len(apart), np.inf))
    nearest: NDArray[np.float64] = others.min(axis=1)
    return nearest
