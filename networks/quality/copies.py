"""Whether pictures are copies, of training pictures or of each other, by their pixels alone.

What counts as near is what happens among real pictures: one in twenty that was never trained on
lies as near to a training picture by chance.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from networks.quality.neighbours import nearest_of

Thumbnails = NDArray[np.float32]
_SIDE = 32
_RARE = 5  # percentile


@dataclass(frozen=True)
class Pair:
    """A generated picture and the training picture most like it, by their places.

    Attributes:
        distance: RMS difference of their thumbnails, in levels of 255.
    """

    generated: int
    real: int
    distance: float


def thumbnails(pictures: NDArray[np.uint8]) -> Thumbnails:
    """Pictures (N, 1, H, W), averaged to (N, 32, 32), so that a pixel's shift makes no stranger."""
    count, _, height, width = pictures.shape
    cells = pictures.reshape(count, _SIDE, height // _SIDE, _SIDE, width // _SIDE)
    return np.asarray(cells.mean(axis=(2, 4), dtype=np.float32))


def unusual(apart: NDArray[np.float64]) -> float:
    """The distance below which one in twenty of these lies."""
    return float(np.percentile(apart, _RARE))


def share_below(apart: NDArray[np.float64], threshold: float) -> float:
    """The share of distances that are below it."""
    return float((apart < threshold).mean())


def nearest_pairs(generated: Thumbnails, training: Thumbnails) -> list[Pair]:
    """Each generated picture with the training picture most like it, the nearest pair first."""
    apart, places = nearest_of(generated, training)
    order = np.argsort(apart, kind="stable")
    return [Pair(int(place), int(places[place]), float(apart[place])) for place in order]
