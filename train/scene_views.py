"""Layers with things in them: land under a sky, balls on a table, leaves, lights, loose shapes."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from train.scene_textures import (
    TEXTURES,
    Picture,
    Rng,
    chance,
    clouds,
    coloured,
    fractal,
    lit_relief,
    log_uniform,
    palette,
    pixel_grid,
    plain,
    ramp,
)
from train.surfaces import Plane

_MOST_LEAVES = 250  # the numbers of leaves fit in a byte


def texture(rng: Rng, size: int) -> Picture:
    """Any one of the textures."""
    return TEXTURES[rng.integers(len(TEXTURES))](rng, size)


def over(below: Picture, above: Picture, cover: Plane) -> Picture:
    """`above` where `cover` is 1, `below` where it is 0."""
    return below + (above - below) * cover.astype(np.float32)[..., None]


def _as_plane(mask: Image.Image) -> Plane:
    return np.asarray(mask, dtype=np.float32) / 255


def _corners(rng: Rng, centre: Plane, reach: float) -> list[tuple[float, float]]:
    """A crooked polygon of three to eight corners around `centre`."""
    count = int(rng.integers(3, 9))
    angles = np.sort(rng.uniform(0, 2 * np.pi, count))
    far = reach * rng.uniform(0.5, 1, count)
    x, y = centre[0] + far * np.cos(angles), centre[1] + far * np.sin(angles)
    return list(zip(x.tolist(), y.tolist(), strict=True))


def _draw_shape(draw: ImageDraw.ImageDraw, rng: Rng, size: int, reach: float, fill: int) -> None:
    """One rectangle, ellipse, polygon or stroke of about `reach` pixels, anywhere."""
    centre = rng.uniform(0, size, 2)
    half = reach * rng.uniform(0.3, 1, 2)
    (left, top), (right, bottom) = (centre - half).tolist(), (centre + half).tolist()
    match rng.integers(4):
        case 0:
            draw.polygon(_corners(rng, centre, reach), fill=fill)
        case 1:
            draw.rectangle((left, top, right, bottom), fill=fill)
        case 2:
            draw.ellipse((left, top, right, bottom), fill=fill)
        case _:
            thick = max(1, int(reach * rng.uniform(0.02, 0.3)))
            draw.line((left, top, right, bottom), fill=fill, width=thick)


def leaves(rng: Rng, size: int) -> Picture:
    """Shapes of all sizes that hide one another, each with its own shading and texture.

    As many of each size as scale invariance asks, radius ** -3, have the statistics of
    photographs (Lee, Mumford and Huang 2001).
    """
    labels = Image.new("L", (size, size), 0)
    draw = ImageDraw.Draw(labels)
    count = int(log_uniform(rng, 6, _MOST_LEAVES))
    smallest = size * rng.uniform(0.015, 0.05)
    largest = size * rng.uniform(0.3, 0.7)
    share = rng.random(count)
    reaches = (smallest**-2 + share * (largest**-2 - smallest**-2)) ** -0.5
    reaches = reaches if chance(rng, 0.7) else -np.sort(-reaches)
    for number, reach in enumerate(reaches.tolist(), start=1):
        _draw_shape(draw, rng, size, reach, number)
    label = np.asarray(labels)
    x, y = pixel_grid(size)
    slopes = rng.standard_normal((2, count + 1), dtype=np.float32) * rng.uniform(0, 0.3)
    shade = 1 + slopes[0][label] * x + slopes[1][label] * y
    rough = (fractal(rng, size, rng.uniform(0.5, 2.5)) - 0.5) * rng.uniform(0, 0.8)
    roughness = rng.beta(0.7, 1.0, count + 1).astype(np.float32)[label]
    colours = coloured(rng.random(count + 1), palette(rng, int(rng.integers(3, 9))))
    return np.asarray(colours[label] * (shade + rough * roughness)[..., None])


def shapes(rng: Rng, size: int) -> Picture:
    """A few shapes, sharp or out of focus, some casting a shadow, over a ground."""
    picture = plain(rng, size) if chance(rng, 0.5) else texture(rng, size)
    for _ in range(rng.integers(1, 4)):
        mask = Image.new("L", (size, size), 0)
        draw = ImageDraw.Draw(mask)
        for _ in range(rng.integers(1, 6)):
            _draw_shape(draw, rng, size, size * log_uniform(rng, 0.06, 0.5), 255)
        if chance(rng, 0.4):
            shadow = _as_plane(mask.filter(ImageFilter.BoxBlur(float(rng.uniform(1, 6)))))
            shift = tuple(rng.integers(-8, 9, 2).tolist())
            picture = (
                picture * (1 - rng.uniform(0.3, 0.8) * np.roll(shadow, shift, (0, 1)))[..., None]
            )
        if chance(rng, 0.5):
            mask = mask.filter(ImageFilter.BoxBlur(log_uniform(rng, 0.5, 12)))
        filling = coloured(ramp(rng, size), palette(rng, 2))
        if chance(rng, 0.3):
            filling = texture(rng, size)
        picture = over(picture, filling, _as_plane(mask))
    return picture


def land(rng: Rng, size: int) -> Picture:
    """Hills behind hills under a sky, the far ones in haze; or roofs, when the ridges are flat."""
    _, y = pixel_grid(size)
    horizon = rng.uniform(-0.5, 0.6)
    sky_colours = palette(rng, 2)
    height = np.clip((y - horizon) / (1.01 - horizon), 0, 1)
    picture = coloured(height, sky_colours)
    if chance(rng, 0.7):
        cloud = fractal(rng, size, rng.uniform(2.4, 3.4), stretch=rng.uniform(1, 3))
        cover = np.clip((cloud - rng.uniform(0.3, 0.7)) * rng.uniform(1, 5), 0, 1)
        white = np.clip(sky_colours.max() + rng.uniform(0.1, 0.5), 0, 1)
        picture = over(picture, np.full_like(picture, white), cover)
    ridges = int(rng.integers(1, 6))
    blocks = rng.integers(2, 20) if chance(rng, 0.25) else 1
    wander = np.cumsum(rng.standard_normal((ridges, size)), axis=1)
    wander -= np.linspace(0, 1, size) * wander[:, -1:]
    wander = np.repeat(wander[:, ::blocks], blocks, axis=1)[:, :size]
    steep = rng.uniform(0.05, 0.5) / np.sqrt(size)
    bases = horizon - np.linspace(0, rng.uniform(0.2, 1.2), ridges)[:, None]
    depth = (y < (bases + wander * steep)[:, None, :]).sum(axis=0)  # how many ridges stand before
    tints = coloured(np.linspace(0, 1, ridges + 1), np.vstack([sky_colours[:1], palette(rng, 2)]))
    rough = fractal(rng, size, rng.uniform(0.8, 2.2), stretch=rng.uniform(1, 4))
    contrast = (np.linspace(0, 1, ridges + 1) * rng.uniform(0.5, 3)).astype(np.float32)
    ground = tints[depth] * (1 + (rough - 0.5) * contrast[depth])[..., None]
    if chance(rng, 0.3):
        ground = ground * lit_relief(rng, rough, rng.uniform(2, 6))[..., None]
    return over(picture, ground, (depth > 0).astype(np.float32))


def _with_ball(picture: Picture, rng: Rng, light: list[float], colour: Picture) -> None:
    """Draw one shaded ball and its shadow into the picture, anywhere."""
    size = len(picture)
    radius = log_uniform(rng, 0.04, 0.3) * size
    column, row = rng.uniform(0, size), rng.uniform(0, size)
    reach = 2.2 * radius
    top, left = max(0, int(row - reach)), max(0, int(column - reach))
    part = picture[top : int(row + reach), left : int(column + reach)]
    rows, columns = (np.arange(count, dtype=np.float32) for count in part.shape[:2])
    dx, dy = (columns + (left - column)) / radius, (row - top - rows[:, None]) / radius
    shadow = np.exp(-((dx + light[0]) ** 2) - (3 * (dy + 0.9)) ** 2)
    distance = dx * dx + dy * dy
    rise = np.sqrt(np.clip(1 - distance, 0, 1))
    facing = np.clip(dx * light[0] + dy * light[1] + rise * light[2], 0, 1)
    glint = rng.uniform(0, 1) * facing ** int(rng.integers(4, 60))
    ball = colour * (0.25 + 0.9 * facing)[..., None] + glint[..., None]
    cover = np.clip((1 - distance) * radius / 2, 0, 1)
    part[:] = over(part * (1 - 0.6 * shadow)[..., None], ball, cover)


def balls(rng: Rng, size: int) -> Picture:
    """Shaded balls with their shadows, on a table before a wall."""
    _, y = pixel_grid(size)
    edge = rng.uniform(-0.6, 0.9)
    table = np.clip((edge - y) * size / log_uniform(rng, 1, 30) + 0.5, 0, 1)
    picture = over(plain(rng, size), texture(rng, size), table)
    light = rng.standard_normal(3)
    light[2] = abs(light[2]) + 0.5
    light /= np.linalg.norm(light)
    colours = palette(rng, 8)
    for _ in range(rng.integers(1, 9)):
        _with_ball(picture, rng, light.tolist(), colours[rng.integers(len(colours))])
    return picture


def lights(rng: Rng, size: int) -> Picture:
    """Lamps, stars or sparks in the dark, sharp or as discs out of focus."""
    night = Image.fromarray((plain(rng, size).clip(0, 1) * rng.uniform(0, 80)).astype(np.uint8))
    draw = ImageDraw.Draw(night)
    colours = (palette(rng, 12) * 255).astype(int).tolist()
    reach = log_uniform(rng, 0.5, size / 16)
    for centre in rng.uniform(0, size, (int(log_uniform(rng, 5, 150)), 2)).tolist():
        radius = reach * rng.uniform(0.5, 1.5)
        draw.circle(centre, radius, fill=tuple(colours[rng.integers(len(colours))]))
    glow = night.filter(ImageFilter.BoxBlur(log_uniform(rng, 1, 10)))
    shown = np.asarray(night, dtype=np.float32) * rng.uniform(0.2, 1)
    return np.asarray((shown + np.asarray(glow)) / 255, dtype=np.float32)


def stones(rng: Rng, size: int) -> Picture:
    """Two textures that interlock along a ragged border: moss on rock, peeling paint, shallows."""
    border = fractal(rng, size, rng.uniform(1.8, 3.2))
    cover = np.clip((border - rng.uniform(0.35, 0.65)) * log_uniform(rng, 4, 100) + 0.5, 0, 1)
    below = texture(rng, size) * lit_relief(rng, np.asarray(cover), rng.uniform(0, 1))[..., None]
    return over(below, clouds(rng, size), cover)


VIEWS: tuple[Callable[[Rng, int], Picture], ...] = (
    leaves,
    shapes,
    land,
    balls,
    lights,
    stones,
)
