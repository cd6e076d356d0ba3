"""How each fruit looks: its body, skin and trimmings, as layers from back to front."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from train.surfaces import (
    Finish,
    Frame,
    Plane,
    Strip,
    Surface,
    blade,
    bumped,
    covered,
    dotted,
    inflated,
    revolved,
    shaded,
)

Rng = np.random.Generator

_OUT_OF_SIGHT = 1.45  # radians around a strawberry from the middle of its face


@dataclass(frozen=True)
class Layer:
    """What one part adds to the picture: coverage and luminance, both (H, W) from 0 to 1."""

    coverage: Plane
    luminance: Plane


@dataclass(frozen=True)
class Painter:
    """One fruit: where its shadow falls (in its frame) and the layers that draw it."""

    foot: float
    half_width: float
    paint: Callable[[Frame, Rng], Iterator[Layer]]


def _smooth(edge_from: float, edge_to: float, value: Plane) -> Plane:
    """0 up to one edge, 1 from the other, a smooth step in between."""
    t = np.clip((value - edge_from) / (edge_to - edge_from), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


def _rod(strip: Strip, angle: float) -> Surface:
    """A blade as a rod: normals turn from one edge to the other."""
    sideways = strip.across
    return Surface(
        strip.coverage,
        -sideways * float(np.sin(angle)),
        sideways * float(np.cos(angle)),
        np.sqrt(1 - sideways**2),
    )


def _stem(frame: Frame, base: tuple[float, float], angle: float, rng: Rng) -> Layer:
    """A short woody stem, thicker at its end."""
    strip = blade(
        frame,
        base,
        angle,
        length=float(rng.uniform(0.34, 0.46)),
        width=lambda a: 0.035 + 0.03 * a**3,
        bend=float(rng.uniform(-0.3, 0.3)),
    )
    rod = _rod(strip, angle)
    return Layer(strip.coverage, shaded(rod, 0.28, frame.light, Finish(gloss=0.05)))


def _leaf(frame: Frame, base: tuple[float, float], angle: float, length: float) -> Layer:
    """A pointed leaf with a light midrib and side veins."""
    strip = blade(
        frame, base, angle, length, lambda a: 0.30 * length * np.sin(np.pi * a**0.85), bend=0.12
    )
    midrib = np.exp(-((strip.across / 0.12) ** 2))
    veins = 0.06 * np.cos(40 * (strip.along - 0.25 * np.abs(strip.across)))
    halves = 0.07 * np.sign(strip.across) * (1 if np.cos(angle) > 0 else -1)
    return Layer(strip.coverage, np.float32(0.40) + halves + veins + 0.2 * midrib)


def _paint_apple(frame: Frame, rng: Rng) -> Iterator[Layer]:
    dent, taper = rng.uniform(0.16, 0.22), rng.uniform(0.04, 0.10)
    wide = rng.uniform(0.98, 1.06)
    lean = rng.uniform(-0.03, 0.03)

    def outline(angle: Plane) -> Plane:
        up, down = angle - np.pi / 2, angle - 1.5 * np.pi
        r = wide * np.ones_like(angle) - 0.06 * np.sin(angle) ** 2
        r = r + 0.05 * np.exp(-(((np.abs(up) - 0.75) / 0.45) ** 2))  # the shoulders
        r = r - dent * np.exp(-((up / 0.30) ** 2)) - 0.03 * np.exp(-((down / 0.45) ** 2))
        return np.asarray(r + taper * np.minimum(np.sin(angle), 0) * 0.5 + lean * np.cos(angle))

    body = inflated(frame, outline)
    albedo = rng.uniform(0.36, 0.62)
    longitude = np.arctan2(frame.x, np.maximum(1.1 - np.abs(frame.y), 0.1))
    streaks = sum(
        rng.uniform(0.01, 0.03) * np.sin(rng.uniform(8, 40) * longitude + rng.uniform(0, 6.3))
        for _ in range(4)
    )
    blush = 0.10 * _smooth(-0.9, 0.9, frame.y * rng.choice([-1, 1]))
    skin = albedo + streaks + blush
    # The bowl around the stem, seen from a little above.
    bowl_y = 0.66
    bowl = np.exp(-(((frame.x / 0.30) ** 2 + ((frame.y - bowl_y) / 0.13) ** 2) ** 1.5))
    finish = Finish(gloss=float(rng.uniform(0.35, 0.55)), shininess=float(rng.uniform(20, 40)))
    yield Layer(body.coverage, shaded(body, skin, frame.light, finish) * (1 - 0.55 * bowl))
    lean_angle = np.pi / 2 + rng.uniform(-0.35, 0.35)
    if rng.choice([True, False], p=[0.7, 0.3]):
        side = rng.choice([0.55, np.pi - 0.55])
        angle = side + rng.uniform(-0.2, 0.2)
        yield _leaf(frame, (0.0, bowl_y + 0.16), angle, float(rng.uniform(0.5, 0.65)))
    yield _stem(frame, (0.0, bowl_y - 0.02), lean_angle, rng)


def _sphere_points(count: int, rng: Rng) -> NDArray[np.float64]:
    """Points (N, 3) spread evenly over the half of a unit sphere that faces the viewer.

    A Fibonacci lattice, turned and jittered.
    """
    index = np.arange(count) + 0.5
    z = 1 - index / count
    turn = np.pi * (1 + 5**0.5) * index + rng.uniform(0, 6.3)
    ring = np.sqrt(1 - z**2)
    points = np.stack([ring * np.cos(turn), ring * np.sin(turn), z], axis=1)
    return points + rng.normal(0, 0.012, points.shape)


def _paint_orange(frame: Frame, rng: Rng) -> Iterator[Layer]:
    flat = rng.uniform(0.93, 1.0)
    body = inflated(frame, lambda angle: 0.95 - (1 - flat) * np.sin(angle) ** 2)
    points = _sphere_points(420, rng)
    pores = dotted(frame, points[:, :2] * 0.93, 0.012 + 0.022 * np.abs(points[:, 2]), 1.0)
    peel = bumped(body, -pores, frame, strength=0.016)
    albedo = rng.uniform(0.56, 0.68) - 0.07 * pores
    finish = Finish(gloss=float(rng.uniform(0.22, 0.34)), shininess=14.0)
    yield Layer(peel.coverage, shaded(peel, albedo, frame.light, finish))
    # The button that the stem leaves: a dark star in a shallow, radially creased dip.
    at = (float(rng.uniform(-0.22, 0.22)), float(rng.uniform(0.42, 0.62)))
    dx, dy = frame.x - at[0], (frame.y - at[1]) / 0.72
    distance, angle = np.hypot(dx, dy), np.arctan2(dy, dx)
    creases = np.exp(-((distance - 0.16) ** 2) / 0.012) * (0.5 + 0.5 * np.cos(9 * angle))
    yield Layer(0.28 * creases * body.coverage, np.full_like(frame.x, 0.25))
    star = 0.085 + 0.03 * np.cos(5 * angle + rng.uniform(0, 6.3))
    yield Layer(covered(star - distance, frame.pixel), 0.26 + 0.5 * np.minimum(distance, 0.2))


def _paint_pear(frame: Frame, rng: Rng) -> Iterator[Layer]:
    bulb, neck = rng.uniform(0.64, 0.71), rng.uniform(0.28, 0.34)
    bulb_y, neck_y = -0.98 + bulb, rng.uniform(0.38, 0.50)
    shear = rng.uniform(-0.10, 0.10)
    bent = replace(frame, x=frame.x - shear * np.maximum(frame.y, 0) ** 2)
    top, sharpness = neck_y + neck, 6.0

    def profile(y: Plane) -> Plane:
        """Two spheres, melted into each other by a smooth maximum of their squared radii."""
        lower, upper = bulb**2 - (y - bulb_y) ** 2, neck**2 - (y - neck_y) ** 2
        squared = np.logaddexp(sharpness * lower, sharpness * upper) / sharpness
        return np.asarray(np.sqrt(np.maximum(squared, 0)))

    body = revolved(bent, bulb_y - bulb, top, profile)
    count = 90
    height = rng.uniform(-0.95, 0.8, count)
    sideways = profile(height) * np.sin(rng.uniform(-1.5, 1.5, count))
    freckles = dotted(bent, np.stack([sideways, height], 1), rng.uniform(0.012, 0.02, count), 1.0)
    albedo = rng.uniform(0.62, 0.76) - 0.14 * freckles
    albedo = albedo - 0.10 * _smooth(0.3, 0.9, frame.y) * rng.uniform(0, 1)
    finish = Finish(gloss=float(rng.uniform(0.15, 0.28)), shininess=18.0)
    dimple = np.exp(-((bent.x / 0.12) ** 2) - ((frame.y - top + 0.02) / 0.05) ** 2)
    yield Layer(body.coverage, shaded(body, albedo, frame.light, finish) * (1 - 0.4 * dimple))
    yield _stem(frame, (shear * top**2, top - 0.05), np.pi / 2 + rng.uniform(-0.4, 0.4), rng)


def _paint_strawberry(frame: Frame, rng: Rng) -> Iterator[Layer]:
    wide, point = rng.uniform(0.80, 0.90), rng.uniform(0.54, 0.66)
    bottom, top = -1.0, 0.66

    def profile(y: Plane) -> Plane:
        along = np.clip((y - bottom) / (top - bottom), 0, 1)
        return np.asarray(wide * 1.04 * along**point * np.sqrt(1 - along**6))

    body = revolved(frame, bottom, top, profile)
    row, column = np.divmod(np.arange(81), 9)
    height = -0.88 + 0.165 * row
    longitude = (column - 4 + 0.5 * (row % 2) + rng.uniform(0, 1)) * 0.42
    seeds = np.stack([np.sin(longitude) * profile(height), height, np.cos(longitude)], axis=1)
    seeds = seeds[np.abs(longitude) < _OUT_OF_SIGHT]
    points = seeds + rng.normal(0, 0.012, seeds.shape)
    size = 0.014 + 0.02 * np.abs(points[:, 2])
    pits = dotted(frame, points[:, :2], size * 1.9, 1.25)
    flesh = bumped(body, -pits, frame, strength=0.05)
    albedo = rng.uniform(0.34, 0.46) - 0.10 * pits
    finish = Finish(gloss=float(rng.uniform(0.28, 0.42)), shininess=22.0)
    yield Layer(body.coverage, shaded(flesh, albedo, frame.light, finish))
    achenes = dotted(frame, points[:, :2], size, 1.6)
    yield Layer(_smooth(0.25, 0.75, achenes) * body.coverage, np.full_like(frame.x, 0.86))
    crown = (0.0, top - 0.03)
    yield _stem(frame, crown, np.pi / 2 + rng.uniform(-0.4, 0.4), rng)
    for angle in np.linspace(-0.75, np.pi + 0.75, 8) + rng.normal(0, 0.08, 8):
        foreshortened = 1 - 0.2 * max(float(np.sin(angle)), 0) ** 3
        yield _sepal(frame, crown, float(angle), float(rng.uniform(0.42, 0.56)) * foreshortened)


def _sepal(frame: Frame, base: tuple[float, float], angle: float, length: float) -> Layer:
    """One pointed leaf of a strawberry's crown."""
    droop = -0.35 * float(np.sign(np.cos(angle)))
    strip = blade(
        frame,
        base,
        angle,
        length,
        lambda a: 0.25 * length * (1 - a) ** 0.8 * (a + 0.12) ** 0.4,
        bend=droop,
    )
    edge = np.abs(strip.across) ** 3
    return Layer(strip.coverage, 0.50 + 0.14 * (1 - strip.along) * (1 - edge) - 0.24 * edge)


def _paint_banana(frame: Frame, rng: Rng) -> Iterator[Layer]:
    frame = replace(frame, x=frame.x / 1.05, y=frame.y / 1.05, pixel=frame.pixel / 1.05)
    curve, reach = rng.uniform(0.95, 1.25), rng.uniform(1.0, 1.09)  # arc radius, half length
    thick = rng.uniform(0.24, 0.29)
    centre_y = curve - 0.34
    mirror = float(rng.choice([-1, 1]))
    x, y = frame.x * mirror, frame.y - centre_y
    distance = np.hypot(x, y)
    position = np.arctan2(x, -y) * curve / reach  # -1 at the blossom end, 1 at the stem
    table = np.linspace(-1.2, 1.45, 400, dtype=np.float32)
    body = np.sqrt(np.clip(1 - np.abs(table) ** 3.2, 0, 1))
    handle = np.where(table > 0, 0.26 + 0.05 * table, 0.20) * np.abs(table).clip(0, 1)
    half = thick * np.maximum(body, handle)
    width = np.interp(position, table, half).astype(np.float32)
    offset = distance - curve
    end = np.minimum(position + 1.06, 1.32 - position) * reach
    coverage = covered(np.minimum(width - np.abs(offset), end), frame.pixel)
    # A banana is five-sided: turn the normals of a round rod towards those of flat faces.
    around = np.arcsin(np.clip(offset / np.maximum(width, frame.pixel), -0.98, 0.98))
    face, shift = 0.95, rng.uniform(-0.2, 0.2)
    flat = np.round((around - shift) / face) * face + shift
    turned = 0.3 * around + 0.7 * flat
    slope = np.interp(position, table, np.gradient(half, table)).astype(np.float32) / reach
    cos, sin = np.sin(turned), np.cos(turned)
    out_x, out_y = x / distance * mirror, y / distance
    tangent = np.clip(slope, -1, 1) * 0.5
    nx, ny = cos * out_x + tangent * out_y * mirror, cos * out_y - tangent * out_x * mirror
    length = np.sqrt(nx**2 + ny**2 + sin**2)
    surface = Surface(coverage, nx / length, ny / length, sin / length)
    ridge = np.exp(-(((np.abs(around - flat) - face / 2) / 0.10) ** 2))
    tips = _smooth(1.16, 1.26, position) + _smooth(0.93, 1.0, -position)
    count = 26
    along = rng.uniform(-0.85, 0.85, count)
    radial = curve + rng.uniform(-0.8, 0.8, count) * thick * 0.8
    angle = along * reach / curve
    flecks = np.stack([np.sin(angle) * radial * mirror, centre_y - np.cos(angle) * radial], 1)
    spots = dotted(frame, flecks, rng.uniform(0.008, 0.026, count), 0.7)
    albedo = rng.uniform(0.74, 0.84) - 0.12 * ridge - 0.35 * spots * rng.uniform(0.2, 1)
    albedo = albedo * (1 - 0.75 * np.clip(tips, 0, 1))
    yield Layer(coverage, shaded(surface, albedo, frame.light, Finish(gloss=0.12, shininess=12)))


PAINTERS = {
    "Apple": Painter(-0.88, 0.9, _paint_apple),
    "Banana": Painter(-0.70, 1.1, _paint_banana),
    "Orange": Painter(-0.88, 0.9, _paint_orange),
    "Pear": Painter(-0.93, 0.68, _paint_pear),
    "Strawberry": Painter(-0.95, 0.5, _paint_strawberry),
}
