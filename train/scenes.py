"""Drawn scenes: colour pictures of all kinds, each one new, all from a seed.

They stand in for the photographs, pages and screens that a watermark must hold on, so they vary
in what they show, in how it is laid out, and in how it was taken: light, focus, colour and noise.
"""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from train.picture_files import Drawings, seed_of, write_pictures
from train.scene_pages import PAGES, with_caption
from train.scene_textures import Picture, Rng, chance, fractal, log_uniform, one_of, pixel_grid
from train.scene_views import VIEWS, over, texture

SIZE = 192
_TONES = 1024  # steps of a tone curve


def _layer(rng: Rng, size: int) -> Picture:
    """One layer: mostly a view, often a texture, at times a page."""
    if chance(rng, 0.5):
        return VIEWS[rng.integers(len(VIEWS))](rng, size)
    if chance(rng, 0.6):
        return texture(rng, size)
    return PAGES[rng.integers(len(PAGES))](rng, size)


def _split(rng: Rng, size: int) -> Picture:
    """Two layers on either side of a line, sharp or soft."""
    x, y = pixel_grid(size)
    angle = one_of(rng, 0.0, math.pi / 2, rng.uniform(0, math.pi))
    side = x * math.cos(angle) + y * math.sin(angle) - rng.uniform(-0.6, 0.6)
    cover = np.clip(side * log_uniform(rng, 1, size / 2) + 0.5, 0, 1)
    return over(_layer(rng, size), _layer(rng, size), cover)


def _inset(rng: Rng, size: int) -> Picture:
    """A smaller picture inside another, perhaps framed."""
    picture = np.array(_layer(rng, size))
    side = int(size * rng.uniform(0.3, 0.75))
    top, left = rng.integers(0, size - side + 1, 2).tolist()
    if chance(rng, 0.5):
        frame = int(rng.integers(1, 7))
        picture[
            max(0, top - frame) : top + side + frame, max(0, left - frame) : left + side + frame
        ] = rng.random()
    picture[top : top + side, left : left + side] = _layer(rng, side)
    return picture


def _overlay(rng: Rng, size: int) -> Picture:
    """One layer through another: as glass, as a shadow, or in patches."""
    below, above = _layer(rng, size), _layer(rng, size)
    match rng.integers(3):
        case 0:
            return over(below, above, np.full((size, size), rng.uniform(0.2, 0.8)))
        case 1:
            return below * (0.25 + 0.9 * above)
        case _:
            patches = fractal(rng, size, rng.uniform(2, 4)) - rng.uniform(0.4, 0.6)
            return over(below, above, np.clip(patches * log_uniform(rng, 2, 60) + 0.5, 0, 1))


def _laid_out(rng: Rng, size: int) -> Picture:
    if chance(rng, 0.6):
        return _layer(rng, size)
    return (_split, _inset, _overlay)[rng.integers(3)](rng, size)


def _focused(rng: Rng, picture: Picture) -> Picture:
    """Through a lens: mostly a little soft, as most photographs are, at times out of focus."""
    image = Image.fromarray((picture.clip(0, 1) * 255 + 0.5).astype(np.uint8))
    if chance(rng, 0.45):
        image = image.filter(ImageFilter.BoxBlur(float(rng.uniform(0.2, 0.8))))
    elif chance(rng, 0.25):
        image = image.filter(ImageFilter.GaussianBlur(log_uniform(rng, 0.8, 6)))
    return np.asarray(image, dtype=np.float32) / 255


def _exposed(rng: Rng, picture: Picture) -> Picture:
    """Brightness, contrast and colour as of any camera on any day."""
    if chance(rng, 0.6):
        mean = float(np.clip(picture.mean(), 0.02, 0.98))
        gamma = np.clip(math.log(rng.uniform(0.12, 0.95)) / math.log(mean), 0.35, 3)
        low = rng.uniform(0, 0.3) if chance(rng, 0.25) else 0.0
        high = rng.uniform(0.5, 1) if chance(rng, 0.25) else 1.0
        curve = low + (high - low) * np.linspace(0, 1, _TONES) ** gamma
        picture = curve.astype(np.float32)[(picture * (_TONES - 1)).astype(np.int16)]
    if chance(rng, 0.4):
        gray = picture @ np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R 601
        vivid = one_of(rng, 0.0, 0.3, 1.5, 2.2)
        picture = gray[..., None] + vivid * (picture - gray[..., None])
    if chance(rng, 0.3):
        picture = picture * rng.uniform(0.75, 1.1, 3).astype(np.float32)
    if chance(rng, 0.2):
        x, y = pixel_grid(len(picture))
        picture = picture * (1 - rng.uniform(0.1, 0.45) * (x * x + y * y))[..., None]
    return picture


def _sensed(rng: Rng, picture: Picture) -> Picture:
    """A sensor's noise: more in the light, of all colours or of one."""
    if chance(rng, 0.5):
        return picture
    channels = 1 if chance(rng, 0.5) else 3
    noise = rng.standard_normal((*picture.shape[:2], channels), dtype=np.float32)
    strength = log_uniform(rng, 0.004, 0.06)
    return picture + noise * strength * (0.5 + picture)


def render_scene(seed: int, size: int = SIZE) -> NDArray[np.uint8]:
    """One scene, (size, size, 3) uint8; the same seed and size give the same bytes."""
    rng = np.random.default_rng(seed)
    picture = _laid_out(rng, size)
    if chance(rng, 0.12):
        picture = with_caption(picture, rng)
    picture = _sensed(rng, _exposed(rng, _focused(rng, picture)))
    return np.asarray(np.clip(picture * 255 + 0.5, 0, 255), dtype=np.uint8)


def scene_drawings(folder: Path, count: int, seed: int, size: int = SIZE) -> Drawings:
    """The scenes `folder/scene_00000.png` and on, not yet drawn."""
    draw = partial(render_scene, size=size)
    return {
        folder / f"scene_{index:05d}.png": (draw, seed_of(seed, index)) for index in range(count)
    }


def write_scenes(
    folder: Path,
    count: int,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
    *,
    size: int = SIZE,
    force: bool = False,
) -> int:
    """Write `count` scenes as `folder/scene_00000.png` and on; returns how many there are.

    `progress` is called with the pictures written so far and in all.

    Raises:
        UsageError: a picture is in the way while `force` is not set, or the folder is not
            writable.
    """
    return write_pictures(scene_drawings(folder, count, seed, size), progress, force=force)
