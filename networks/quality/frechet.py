"""The Frechet distance of two sets of features, FID (Heusel et al. 2017).

Both sets are taken for normal distributions, and the 2-Wasserstein distance of these is squared. It
is biased: two sets of N pictures of one and the same kind lie about d^2 / 2N + 2d / N apart where
the d features are independent. So it says something only beside the distance of as many real
pictures, and never beside one of another number of pictures.
"""

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.floating]


def frechet_distance(reference: Features, candidate: Features) -> float:
    """FID of two sets of features, (N, d) and (M, d).

    Raises:
        ValueError: they are not of one width, or hold fewer than two pictures.
    """
    x, y = np.asarray(reference, np.float64), np.asarray(candidate, np.float64)
    if x.shape[1:] != y.shape[1:] or min(len(x), len(y)) < 2:  # noqa: PLR2004 - one has no spread
        raise ValueError(f"features {x.shape} and {y.shape} cannot be compared")
    spread, other_spread = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = _square_root(spread)
    # The trace of the root of a product of covariances is that of this symmetric form of it.
    both = np.linalg.eigvalsh(root @ other_spread @ root)
    shared = np.sqrt(np.maximum(both, 0)).sum()
    moved = np.square(x.mean(axis=0) - y.mean(axis=0)).sum()
    return float(max(moved + np.trace(spread) + np.trace(other_spread) - 2 * shared, 0.0))


def _square_root(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(covariance)
    root: NDArray[np.float64] = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    return root
