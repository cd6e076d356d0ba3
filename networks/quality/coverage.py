"""Whether pictures look real, and whether they are of all kinds: density and coverage.

As Naeem et al. 2020 define them. Around each real picture lies a ball that just reaches its k-th
nearest real neighbour. Unlike precision and recall, one odd real picture does not decide them.
"""

import numpy as np
from numpy.typing import NDArray

from networks.quality.diversity import distances
from networks.quality.neighbours import distances_between

Features = NDArray[np.floating]
NEIGHBOURS = 5


def density_and_coverage(
    real: Features, candidate: Features, neighbours: int = NEIGHBOURS
) -> tuple[float, float]:
    """Two numbers of two sets of features, (N, d) and (M, d).

    The density is the number of balls that a candidate lies in, divided by k: 1 on average for real
    pictures, towards 0 for what is unlike any. The coverage is the share of balls that hold a
    candidate: 1 - 2^-k for as many real pictures, little where kinds are missing.

    Raises:
        ValueError: there are not more real pictures than neighbours.
    """
    if len(real) <= neighbours:
        raise ValueError(f"{len(real)} real pictures are too few for {neighbours} neighbours each")
    own = distances(real)
    np.fill_diagonal(own, np.inf)
    radii = np.partition(own, neighbours - 1, axis=1)[:, neighbours - 1]
    inside = distances_between(candidate, real) <= radii
    density = inside.sum() / (neighbours * len(candidate))
    return float(density), float(inside.any(axis=0).mean())
