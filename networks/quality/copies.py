"""Whether pictures are copies, of training pictures or of each other, by their pixels alone.

A copy stands out: it lies much nearer to one training picture than to those that are next. That
holds for a copy with flaws too, and not for a smooth picture, which is a little nearer to all. How
much nearer is unusual, pictures tell that were never trained on: one in twenty is by chance.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from networks.quality.neighbours import nearest_of

Thumbnails = NDArray[np.float32]
_SIDE = 32
_RARE = 5  # percentile
_NEXT = 6  # so that a training picture may be there five times
NO_DISTANCE = 1e-3  # of 255 levels: what rounding makes of equal pictures


@dataclass(frozen=True)
class Pair:
    """A generated picture and the training picture most like it, by their places.

    Attributes:
        distance: RMS difference of their thumbnails, in levels of 255.
        closeness: that as a part of the distance to the sixth nearest; 0 of a copy.
    """

    generated: int
    real: int
    distance: float
    closeness: float


def thumbnails(pictures: NDArray[np.uint8]) -> Thumbnails:
    """Pictures (N, 1, H, W), averaged to (N, 32, 32), so that a pixel's shift makes no stranger."""
    count, _, height, width = pictures.shape
    cells = pictures.reshape(count, _SIDE, height // _SIDE, _SIDE, width // _SIDE)
    return np.asarray(cells.mean(axis=(2, 4), dtype=np.float32))


def unusual(values: NDArray[np.float64]) -> float:
    """What one in twenty of these lies below; a little above what equal pictures have."""
    return max(float(np.percentile(values, _RARE)), NO_DISTANCE)


def share_below(values: NDArray[np.float64], threshold: float) -> float:
    """The share of them that are below it."""
    return float((values < threshold).mean())


def nearest_pairs(generated: Thumbnails, training: Thumbnails) -> list[Pair]:
    """Each generated picture with the training picture most like it, the closest pair first.

    Raises:
        ValueError: fewer than six training pictures.
    """
    apart, places = nearest_of(generated, training, _NEXT)
    closeness = apart[:, 0] / np.maximum(apart[:, -1], NO_DISTANCE)
    order = np.argsort(closeness, kind="stable")
    return [
        Pair(int(place), int(places[place, 0]), float(apart[place, 0]), float(closeness[place]))
        for place in order
    ]
