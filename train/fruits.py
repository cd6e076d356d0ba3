"""Drawn fruit: five classes of 128x128 grayscale pictures, each one new, all from a seed.

They stand in for photographs wherever none are at hand, so shape, size, pose, light and texture
vary as in a product photograph: one fruit, upright or leaning, on a light ground.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chunkport.choices import did_you_mean
from chunkport.errors import UsageError
from train.fruit_shapes import PAINTERS, Layer
from train.picture_files import Drawings, seed_of, write_pictures
from train.surfaces import Plane, Vector, grid, placed

SIZE = 128
FRUITS = tuple(PAINTERS)


@dataclass(frozen=True)
class _Scene:
    """What surrounds the fruit: where it stands, how it leans and where the light is."""

    centre: tuple[float, float]
    scale: float
    angle: float
    light: Vector
    ground: float


def _set_scene(rng: np.random.Generator) -> _Scene:
    azimuth = rng.uniform(0.25, 1.1) * rng.choice([-1, 1])  # radians from straight above
    height = rng.uniform(0.75, 1.1)
    light = (
        float(np.sin(azimuth) * np.sin(height)),
        float(np.cos(azimuth) * np.sin(height)),
        float(np.cos(height)),
    )
    return _Scene(
        centre=(float(rng.uniform(-0.05, 0.05)), float(rng.uniform(-0.06, 0.02))),
        scale=float(rng.uniform(0.62, 0.74)),
        angle=float(rng.normal(0, 0.14)),
        light=light,
        ground=float(rng.uniform(0.86, 0.97)),
    )


def _background(scene: _Scene, foot: float, half_width: float) -> Plane:
    """A light backdrop, brighter on the side of the light, with the fruit's soft shadow."""
    x, y = grid(SIZE)
    wall = scene.ground + 0.05 * (x * scene.light[0] + y * scene.light[1])
    away = -0.35 * scene.light[0] * scene.scale
    shadow_x = (x - scene.centre[0] - away) / (half_width * scene.scale * 1.15)
    shadow_y = (y - scene.centre[1] - foot * scene.scale) / (0.2 * scene.scale)
    cast = 0.42 * np.exp(-(shadow_x**2 + shadow_y**2) * 1.4)
    return np.asarray(wall * (1 - cast), dtype=np.float32)


def _over(picture: Plane, layer: Layer) -> Plane:
    return np.asarray(picture + layer.coverage * (layer.luminance - picture), dtype=np.float32)


def _check_kind(kind: str) -> None:
    if kind not in PAINTERS:
        meant = did_you_mean(kind, FRUITS)
        raise UsageError(f"{kind}: no such fruit.{meant} Choose one of {', '.join(FRUITS)}")


def render_fruit(kind: str, seed: int) -> NDArray[np.uint8]:
    """One picture of a fruit, (128, 128) uint8; the same kind and seed give the same bytes.

    Raises:
        UsageError: `kind` is not one of `FRUITS`.
    """
    _check_kind(kind)
    rng = np.random.default_rng((FRUITS.index(kind), seed))
    scene = _set_scene(rng)
    painter = PAINTERS[kind]
    frame = placed(
        SIZE,
        centre=scene.centre,
        scale=scene.scale,
        angle=scene.angle,
        light=scene.light,
    )
    picture = _background(scene, painter.foot, painter.half_width)
    for layer in painter.paint(frame, rng):
        picture = _over(picture, layer)
    grain = rng.normal(0, 0.008, picture.shape)
    return np.clip((picture + grain) * 255 + 0.5, 0, 255).astype(np.uint8)


def fruit_drawings(
    folder: Path, per_class: int, seed: int, classes: Sequence[str] = FRUITS
) -> Drawings:
    """Each fruit's pictures `folder/CLASS/CLASS_0000.png` and on, not yet drawn.

    Raises:
        UsageError: an unknown fruit.
    """
    for kind in classes:
        _check_kind(kind)
    return {
        folder / kind / f"{kind}_{index:04d}.png": (
            partial(render_fruit, kind),
            seed_of(seed, index),
        )
        for kind in classes
        for index in range(per_class)
    }


def write_fruit_images(
    folder: Path,
    per_class: int,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
    *,
    classes: Sequence[str] = FRUITS,
    force: bool = False,
) -> int:
    """Write `per_class` pictures of each fruit in `classes` as `folder/CLASS/CLASS_0000.png`.

    `progress` is called with the pictures written so far and in all. Returns how many there are.

    Raises:
        UsageError: an unknown fruit, a picture in the way while `force` is not set, or a folder
            that is not writable.
    """
    return write_pictures(fruit_drawings(folder, per_class, seed, classes), progress, force=force)
