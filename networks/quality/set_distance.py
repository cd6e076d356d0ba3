"""How far two sets of pictures lie apart in features: the kernel inception distance, KID.

KID is the squared maximum mean discrepancy under the kernel (x . y / d + 1)^3 (Binkowski et al.
2018), here with the features of any network. `paired_kid` compares what two generators make of the
same latents, by the U-statistic over pairs (Gretton et al. 2012, equation 4): exactly 0 for equal
sets, unbiased, so that chance makes it negative as often as positive where the generators agree.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.floating]
_DEGREE = 3
_CONFIDENCE_95 = 1.96  # standard errors to either side
_HALVINGS = 32
_FEWEST = 4  # of which each half can be compared


@dataclass(frozen=True)
class Kid:
    """A distance with its 95 % confidence interval.

    Attributes:
        value: the unbiased estimate.
        standard_error: of it, by the jackknife over pictures.
    """

    value: float
    standard_error: float

    @property
    def lowest(self) -> float:
        """The interval's lower end."""
        return self.value - _CONFIDENCE_95 * self.standard_error

    @property
    def highest(self) -> float:
        """The interval's upper end."""
        return self.value + _CONFIDENCE_95 * self.standard_error


def _kernel(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    products: NDArray[np.float64] = one @ other.T / one.shape[1] + 1
    cubes: NDArray[np.float64] = products**_DEGREE
    return cubes


def paired_kid(reference: Features, candidate: Features) -> Kid:
    """The distance of two sets of features (N, d), of which those of one row belong together.

    Raises:
        ValueError: the sets differ in size, or hold fewer than three pictures.
    """
    count = len(reference)
    if reference.shape != candidate.shape or count < 3:  # noqa: PLR2004 - two are left without one
        raise ValueError(f"features {reference.shape} and {candidate.shape} cannot be compared")
    x, y = np.asarray(reference, np.float64), np.asarray(candidate, np.float64)
    crossed = _kernel(x, y)
    pairs = _kernel(x, x) + _kernel(y, y) - crossed - crossed.T
    np.fill_diagonal(pairs, 0)
    of_each = pairs.sum(axis=1)
    total = of_each.sum()
    value = total / (count * (count - 1))
    without_each = (total - 2 * of_each) / ((count - 1) * (count - 2))
    spread = np.square(without_each - without_each.mean()).sum()
    return Kid(float(value), float(np.sqrt((count - 1) / count * spread)))


def chance_kid(features: Features, seed: int = 0) -> float:
    """What chance alone makes of KID: the RMS distance of two halves of one set (N, d).

    Distances of so many pictures that are not above it say nothing.

    Raises:
        ValueError: fewer than eight pictures.
    """
    half = len(features) // 2
    if half < _FEWEST:
        raise ValueError(f"{len(features)} pictures are too few to be halved; give at least 8")
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(_HALVINGS):
        order = rng.permutation(len(features))
        values.append(paired_kid(features[order[:half]], features[order[half : 2 * half]]).value)
    return float(np.sqrt(np.square(values).mean()))
