"""Pictures made worse on purpose: what figures say of them is how bad a figure can be."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

NOISE_LEVELS = 25.0
BLUR_PIXELS = 2.0
Pictures = NDArray[np.uint8]


def noisy(pictures: Pictures, seed: int, levels: float = NOISE_LEVELS) -> Pictures:
    """With normal noise of so many of 255 levels on every pixel."""
    rng = np.random.default_rng(seed)
    parts = [
        _whole(picture + np.float32(levels) * rng.standard_normal(picture.shape, dtype=np.float32))
        for picture in pictures
    ]
    return np.stack(parts)


def blurred(pictures: Pictures, pixels: float = BLUR_PIXELS) -> Pictures:
    """By a Gaussian with a standard deviation of so many pixels; (N, 1, H, W)."""
    smooth = (0, pixels, pixels)
    parts = [_whole(ndimage.gaussian_filter(it.astype(np.float32), smooth)) for it in pictures]
    return np.stack(parts)


def _whole(values: NDArray[np.float32]) -> Pictures:
    rounded: Pictures = np.rint(values).clip(0, 255).astype(np.uint8)
    return rounded
