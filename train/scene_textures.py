"""Layers that fill a square: palettes, gradients, fractal noise and repeating textures.

A plane is (size, size) float32, about 0 to 1; a picture is (size, size, 3) float32, the same.
Every layer takes a generator of random numbers and a size in pixels, and no two are alike.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from train.surfaces import Plane, grid

Picture = NDArray[np.floating[Any]]
Rng = np.random.Generator

_LEVELS = 1024  # steps of a colour ramp; finer than any two neighbouring bytes
_SHADES = 64  # of bricks, dots and threads; a power of two, so that & wraps around it

pixel_grid = lru_cache(maxsize=16)(grid)


def chance(rng: Rng, share: float) -> bool:
    """True in `share` of all cases."""
    return bool(rng.random() < share)


def log_uniform(rng: Rng, low: float, high: float) -> float:
    """A number from `low` to `high`, each octave as likely as the next; `low` if none is left."""
    return low * math.exp(rng.uniform(0, math.log(max(high, low) / low)))


def one_of(rng: Rng, *values: float) -> float:
    """One of the values, each as likely as the next."""
    return values[rng.integers(len(values))]


def palette(rng: Rng, count: int) -> Picture:
    """Colours (count, 3) that go together: of one hue or of many, from gray to vivid."""
    hue = rng.random() + one_of(rng, 0.02, 0.08, 0.5) * rng.standard_normal(count)
    saturation = np.clip(rng.beta(1.0, 1.5) + 0.15 * rng.standard_normal(count), 0, 1)
    dark, bright = sorted((rng.beta(0.7, 2.0), rng.beta(2.0, 0.7)))
    value = rng.uniform(dark, bright, count)
    # HSV to RGB: each channel is the value less what the hue takes away, by sixths of a turn.
    turn = (np.array([5, 3, 1]) + 6 * hue[:, None]) % 6
    taken = np.clip(np.minimum(turn, 4 - turn), 0, 1)
    return np.asarray(value[:, None] * (1 - saturation[:, None] * taken), dtype=np.float32)


def coloured(plane: Plane, colours: Picture) -> Picture:
    """The plane's values as a ramp through `colours` (N, 3), the first at 0, the last at 1."""
    steps, stops = np.linspace(0, 1, _LEVELS), np.linspace(0, 1, len(colours))
    table = np.stack([np.interp(steps, stops, channel) for channel in colours.T], axis=1)
    index = np.clip(plane * (_LEVELS - 1), 0, _LEVELS - 1).astype(np.int16)
    return table.astype(np.float32)[index]


def fractal(
    rng: Rng, size: int, slope: float, *, stretch: float = 1.0, angle: float = 0.0
) -> Plane:
    """Noise whose power falls as frequency ** -slope: 2 is that of photographs (Field 1987).

    `stretch` draws it out along `angle` (radians).
    """
    across = np.fft.rfftfreq(size).astype(np.float32)
    down = np.fft.fftfreq(size).astype(np.float32)[:, None]
    cos, sin = math.cos(angle), math.sin(angle)
    u = (across * cos + down * sin) * stretch
    v = down * cos - across * sin
    squared = u * u + v * v
    squared[0, 0] = np.inf  # no constant part
    white = rng.standard_normal((*squared.shape, 2), dtype=np.float32).view(np.complex64)[..., 0]
    plane = np.fft.irfft2(white * squared ** (-slope / 4), s=(size, size))
    return np.asarray(0.5 + plane * (0.2 / (float(plane.std()) + 1e-9)), dtype=np.float32)


def ramp(rng: Rng, size: int) -> Plane:
    """A gradient, straight or around a point, even or uneven."""
    x, y = pixel_grid(size)
    if chance(rng, 0.3):
        middle_x, middle_y = rng.uniform(-1.2, 1.2), rng.uniform(-1.2, 1.2)
        plane = np.hypot(x - middle_x, y - middle_y) / rng.uniform(1, 2.5)
    else:
        angle = one_of(rng, 0.0, math.pi / 2, rng.uniform(0, 2 * math.pi))
        plane = 0.5 + (x * math.cos(angle) + y * math.sin(angle)) * rng.uniform(0.3, 0.6)
    return np.asarray(np.clip(plane, 0, 1), dtype=np.float32)


def lit_relief(rng: Rng, plane: Plane, depth: float) -> Plane:
    """How bright (around 1) a surface is whose height is `plane`, lit from one side."""
    angle = rng.uniform(0, 2 * math.pi)
    light = np.ones_like(plane)
    light[:, 1:] += np.diff(plane, axis=1) * (depth * math.cos(angle))
    light[1:] += np.diff(plane, axis=0) * (depth * math.sin(angle))
    return np.asarray(np.clip(light, 0.2, 1.8))


def _surface(rng: Rng, size: int) -> tuple[Plane, Plane]:
    """Coordinates in pixels on a flat surface: turned, perhaps seen at a slant, perhaps bent."""
    x, y = pixel_grid(size)
    angle = 0.0 if chance(rng, 0.35) else rng.uniform(-math.pi, math.pi)
    cos, sin = math.cos(angle), math.sin(angle)
    u, v = x * cos + y * sin, y * cos - x * sin
    if chance(rng, 0.3):
        depth = 1 + rng.uniform(0.3, 0.75) * y
        u, v = u / depth, v / depth
    if chance(rng, 0.3):
        bend = log_uniform(rng, 0.05, 0.8) * (fractal(rng, size, 4.5) - 0.5)
        u, v = u + bend, v - bend
    return u * (size / 2) + 7 * size, v * (size / 2) + 7 * size


def _cells(along: Plane, width: float) -> tuple[NDArray[np.int32], Plane]:
    """The number of the cell that each pixel is in, and where in it, 0 to 1."""
    place = along / width
    number = np.floor(place)
    return number.astype(np.int32), place - number


def _scattered(column: NDArray[np.int32], row: NDArray[np.int32]) -> NDArray[np.int32]:
    """A number below `_SHADES` for each cell, unlike its neighbours'."""
    return (column * 13 + row * 29) & (_SHADES - 1)


def _shades(rng: Rng) -> Plane:
    return rng.random(_SHADES, dtype=np.float32)


def plain(rng: Rng, size: int) -> Picture:
    """A wall, a sky or paper: smooth, or with the faintest of textures."""
    picture = coloured(ramp(rng, size), palette(rng, int(rng.integers(1, 4))))
    if chance(rng, 0.4):
        grain = fractal(rng, size, rng.uniform(0, 2.5)) - 0.5
        picture = picture + (grain * log_uniform(rng, 0.02, 0.3))[..., None]
    return picture


def clouds(rng: Rng, size: int) -> Picture:
    """Fractal noise of any roughness, as clouds, stone, rust, marble or water."""
    plane = fractal(
        rng,
        size,
        rng.uniform(1.2, 3.6),
        stretch=log_uniform(rng, 1, 4),
        angle=one_of(rng, 0.0, rng.uniform(0, math.pi)),
    )
    match rng.integers(4):
        case 1:
            plane = np.abs(plane - 0.5) * 3
        case 2:
            plane = 0.5 + 0.5 * np.sin(plane * rng.uniform(8, 40))
        case 3:
            plane = np.clip((plane - rng.uniform(0.35, 0.65)) * rng.uniform(3, 12) + 0.5, 0, 1)
    picture = coloured(plane, palette(rng, int(rng.integers(2, 6))))
    if chance(rng, 0.4):
        picture = picture * lit_relief(rng, plane, rng.uniform(2, 8))[..., None]
    return picture


def fibres(rng: Rng, size: int) -> Picture:
    """Brushed metal, grain, rain, grass or fur: noise drawn out along one direction."""
    plane = fractal(
        rng,
        size,
        rng.uniform(0.3, 2.0),
        stretch=log_uniform(rng, 5, 40),
        angle=one_of(rng, 0.0, math.pi / 2, rng.uniform(0, math.pi)),
    )
    return coloured(0.5 + (plane - 0.5) * rng.uniform(0.3, 1.6), palette(rng, 3))


def wood(rng: Rng, size: int) -> Picture:
    """Year rings cut lengthwise, with pores along them."""
    u, v = _surface(rng, size)
    swirl = fractal(rng, size, 3.6, stretch=3, angle=0.0) * rng.uniform(1, 6)
    rings = (np.hypot(u - 7 * size, (v - 6.4 * size) * 0.2) / log_uniform(rng, 3, 20) + swirl) % 1
    pores = fractal(rng, size, 0.6, stretch=12) - 0.5
    return coloured(0.2 + 0.6 * rings + 0.5 * pores, palette(rng, 3))


def grating(rng: Rng, size: int) -> Picture:
    """Stripes or rings of any width and angle, soft or hard, evenly spaced or not."""
    u, v = _surface(rng, size)
    period = log_uniform(rng, 2.1, size / 2)
    if chance(rng, 0.2):
        u = np.hypot(u - 7 * size, v - rng.uniform(6.5, 7.5) * size)
    elif chance(rng, 0.25):
        u = (u / size - 6) ** 2 * size * 0.5
    wave = np.sin(u * (2 * math.pi / period))
    if chance(rng, 0.25):
        wave = wave * np.sin(v * (2 * math.pi / log_uniform(rng, 2.1, size / 2)))
    hardness = log_uniform(rng, 0.3, 8)
    return coloured(np.clip(0.5 + 0.5 * hardness * wave, 0, 1), palette(rng, 3))


def checks(rng: Rng, size: int) -> Picture:
    """A board or a tiled floor, each tile of its own shade or only two shades."""
    u, v = _surface(rng, size)
    side = log_uniform(rng, 3, size / 3)
    (column, _), (row, _) = _cells(u, side), _cells(v, side * log_uniform(rng, 0.5, 2))
    number = _scattered(column, row) if chance(rng, 0.5) else ((column + row) & 1) * (_SHADES - 1)
    return coloured(np.sort(_shades(rng)), palette(rng, 4))[number]


def bricks(rng: Rng, size: int) -> Picture:
    """Bricks, panes or blocks between joints, each of its own shade, with a rough face."""
    u, v = _surface(rng, size)
    height = log_uniform(rng, 6, size / 4)
    width = height * rng.uniform(0.8, 3)
    row, inside_v = _cells(v, height)
    column, inside_u = _cells(u + row * (width * one_of(rng, 0.0, 0.5, 0.33)), width)
    joint = rng.uniform(0.5, 3)
    edge = np.minimum(
        np.minimum(inside_u, 1 - inside_u) * width, np.minimum(inside_v, 1 - inside_v) * height
    )
    face = np.clip(edge - joint + 0.5, 0, 1)[..., None]
    shade = _shades(rng)[_scattered(column, row)]
    rough = (fractal(rng, size, rng.uniform(0.5, 2)) - 0.5) * rng.uniform(0, 0.6)
    wall = coloured(shade + rough, palette(rng, 3))
    mortar = palette(rng, 1)[0]
    return np.asarray(mortar + (wall - mortar) * face, dtype=np.float32)


def dots(rng: Rng, size: int) -> Picture:
    """Dots, rings or pebbles on a grid, of one size or of many."""
    u, v = _surface(rng, size)
    pitch = log_uniform(rng, 4, size / 3)
    row, inside_v = _cells(v, pitch)
    column, inside_u = _cells(u + (row % 2) * (pitch * one_of(rng, 0.0, 0.5)), pitch)
    number = _scattered(column, row)
    widest = rng.uniform(0.2, 0.5)
    radius = (widest * (1 - rng.uniform(0, 0.8) * _shades(rng)))[number]
    inside = radius - np.sqrt((inside_u - 0.5) ** 2 + (inside_v - 0.5) ** 2)
    if chance(rng, 0.25):
        inside = 0.3 * radius - np.abs(inside - 0.3 * radius)
    cover = np.clip(inside * pitch / log_uniform(rng, 1, pitch) + 0.5, 0, 1)[..., None]
    ground = coloured(ramp(rng, size), palette(rng, 2))
    shade = coloured(_shades(rng), palette(rng, 4))[number]
    return np.asarray(ground + (shade - ground) * cover, dtype=np.float32)


def woven(rng: Rng, size: int) -> Picture:
    """Cloth or a basket: threads over and under, in stripes of colour."""
    u, v = _surface(rng, size)
    pitch = log_uniform(rng, 3, size / 8)
    (column, inside_u), (row, inside_v) = _cells(u, pitch), _cells(v, pitch)
    over = ((column + row * int(rng.integers(1, 3))) & int(one_of(rng, 1, 3))) == 0
    shades = _shades(rng)
    repeat = int(2 ** rng.integers(0, 6)) - 1  # as a mask of bits
    thread = np.where(over, shades[column & repeat], shades[32 + (row & repeat)])
    round_side = np.where(over, inside_u, inside_v)
    round_light = 1 - rng.uniform(0.2, 1) * (2 * round_side - 1) ** 2
    return coloured(thread, palette(rng, 4)) * round_light[..., None]


TEXTURES: tuple[Callable[[Rng, int], Picture], ...] = (
    plain,
    clouds,
    fibres,
    wood,
    grating,
    checks,
    bricks,
    dots,
    woven,
)
