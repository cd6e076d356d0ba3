"""The grid that upsampling leaves in pictures, seen in their spectrum; no network is needed.

Every transposed convolution of stride 2 can leave a pattern that repeats every 2 pixels of its
output (Odena et al. 2016): the last one at the Nyquist frequency, the one before it at half of it.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import fft

_BLOCK = 256
_PERIODS = (2, 4)  # pixels
_REACH = 1  # bins to either side, as far as the window spreads a pure wave


def checkerboard_share(pictures: NDArray[np.integer] | NDArray[np.floating]) -> float:
    """The share of the energy of pictures (N, 1, H, W) at periods of 2 and 4 pixels.

    At those frequencies along each axis and both, one bin around them included; of all energy but
    that of the mean. A Hann window keeps the edges of the pictures out of it. NaN where the
    pictures are all of one grey.
    """
    height, width = pictures.shape[-2:]
    window = np.outer(np.hanning(height), np.hanning(width)).astype(np.float32)
    power = np.zeros((height, width // 2 + 1))  # the other half of the frequencies mirrors it
    for first in range(0, len(pictures), _BLOCK):
        block = pictures[first : first + _BLOCK, 0].astype(np.float32)
        block -= block.mean(axis=(1, 2), keepdims=True)
        power += np.square(np.abs(fft.rfft2(block * window))).sum(axis=0)
    power[:, 1 : width // 2] *= 2
    down, across = _at_periods(height), _at_periods(width)
    flat_down, flat_across = _at_zero(height), _at_zero(width)
    grid = np.outer(down | flat_down, across | flat_across) & ~np.outer(flat_down, flat_across)
    grid = grid[:, : width // 2 + 1]
    total = power.sum()
    return float(power[grid].sum() / total) if total > 0 else float("nan")


def _bins_around(size: int, bins: "list[int]") -> NDArray[np.bool_]:
    chosen = np.zeros(size, dtype=bool)
    for middle in bins:
        chosen[[(middle + step) % size for step in range(-_REACH, _REACH + 1)]] = True
    return chosen


def _at_periods(size: int) -> NDArray[np.bool_]:
    bins = [size // period for period in _PERIODS]
    return _bins_around(size, [*bins, *(-middle for middle in bins)])


def _at_zero(size: int) -> NDArray[np.bool_]:
    return _bins_around(size, [0])
