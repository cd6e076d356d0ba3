"""Shapes and light for drawn pictures: antialiased outlines, surface normals, Phong shading.

All arrays are (H, W) floats over the picture's pixels. Lengths are in units of the object's own
frame, in which it is about two units tall; y points up and z at the viewer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.floating[Any]]
Vector = tuple[float, float, float]

_TABLE_SIZE = 512
_STEEPEST = 12.0  # slopes are infinite where a profile closes; beyond this nothing changes to see


@dataclass(frozen=True)
class Frame:
    """An object's own coordinates of every pixel, and the light as seen from there.

    `pixel` is the side of one pixel in the frame's units; `light` is a unit vector towards it.
    """

    x: Plane
    y: Plane
    pixel: float
    light: Vector


@dataclass(frozen=True)
class Surface:
    """A visible surface: how much of each pixel it covers (0 to 1), and its unit normals."""

    coverage: Plane
    nx: Plane
    ny: Plane
    nz: Plane


@dataclass(frozen=True)
class Finish:
    """How a surface answers to light; the terms of Phong's model."""

    ambient: float = 0.38
    diffuse: float = 0.72
    gloss: float = 0.3
    shininess: float = 24.0


def grid(size: int) -> tuple[Plane, Plane]:
    """The pixel centres of a square picture, x to the right and y up, from -1 to 1."""
    steps = (np.arange(size, dtype=np.float32) + 0.5) * (2 / size) - 1
    x, y = np.meshgrid(steps, -steps)
    return x, y


def placed(
    size: int, *, centre: tuple[float, float], scale: float, angle: float, light: Vector
) -> Frame:
    """The frame of an object `scale` times as large, turned by `angle` radians to the left."""
    x, y = grid(size)
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    dx, dy = (x - centre[0]) / scale, (y - centre[1]) / scale
    turned = (light[0] * cos + light[1] * sin, light[1] * cos - light[0] * sin, light[2])
    return Frame(dx * cos + dy * sin, dy * cos - dx * sin, 2 / size / scale, turned)


def covered(inside: Plane, pixel: float) -> Plane:
    """Pixel coverage from the signed distance to an outline, positive inside."""
    return np.asarray(np.clip(inside / pixel + 0.5, 0, 1))


def revolved(frame: Frame, bottom: float, top: float, radius: Callable[[Plane], Plane]) -> Surface:
    """The solid that a profile sweeps around the y axis, seen from the side.

    `radius` maps the heights (N,) between `bottom` and `top` to radii (N,), 0 at both ends.
    The normal of a surface of revolution is (sin a, -radius', cos a) with sin a = x / radius.
    """
    heights = np.linspace(bottom, top, _TABLE_SIZE, dtype=np.float32)
    radii = radius(heights)
    slopes = np.clip(np.gradient(radii, heights), -_STEEPEST, _STEEPEST)
    r = np.interp(frame.y, heights, radii).astype(np.float32)
    slope = np.interp(frame.y, heights, slopes).astype(np.float32)
    beyond = np.maximum(np.maximum(bottom - frame.y, frame.y - top), 0)
    inside = np.minimum((r - np.abs(frame.x)) / np.sqrt(1 + slope**2), frame.pixel - beyond)
    sideways = np.clip(frame.x / np.maximum(r, frame.pixel), -1, 1)
    length = np.sqrt(1 + slope**2)
    return Surface(
        covered(inside, frame.pixel),
        sideways / length,
        -slope / length,
        np.sqrt(1 - sideways**2) / length,
    )


def inflated(frame: Frame, radius: Callable[[Plane], Plane]) -> Surface:
    """A round body whose outline is `radius` by angle (radians from the x axis, 0 to 2 pi)."""
    angles = np.linspace(0, 2 * np.pi, _TABLE_SIZE, dtype=np.float32)
    radii = radius(angles)
    slopes = np.gradient(radii, angles)
    slopes[0] = slopes[-1] = (slopes[0] + slopes[-1]) / 2
    distance = np.hypot(frame.x, frame.y) + 1e-6
    angle = np.arctan2(frame.y, frame.x) % (2 * np.pi)
    r = np.interp(angle, angles, radii).astype(np.float32)
    slope = np.interp(angle, angles, slopes).astype(np.float32)
    depth = np.minimum(distance / r, 1)
    # The outward direction of the level lines of distance / radius, in polar and then x, y.
    length = np.hypot(1, slope / r)
    along, across = 1 / length, -slope / r / length
    cos, sin = frame.x / distance, frame.y / distance
    return Surface(
        covered((r - distance) * along, frame.pixel),
        depth * (along * cos - across * sin),
        depth * (along * sin + across * cos),
        np.sqrt(1 - depth**2),
    )


@dataclass(frozen=True)
class Strip:
    """Coordinates along a bent blade: `along` from 0 at the base to 1, `across` -1 to 1."""

    coverage: Plane
    along: Plane
    across: Plane


def blade(
    frame: Frame,
    base: tuple[float, float],
    angle: float,
    length: float,
    width: Callable[[Plane], Plane],
    *,
    bend: float = 0.0,
) -> Strip:
    """A leaf, sepal or stem that leaves `base` at `angle` (radians) and bends sideways.

    `width` gives the half-width by the position along, 0 to 1.
    """
    dx, dy = frame.x - base[0], frame.y - base[1]
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    along = (dx * cos + dy * sin) / length
    sideways = dy * cos - dx * sin - bend * length * along**2
    half = np.asarray(width(np.clip(along, 0, 1)), dtype=np.float32)
    ends = np.minimum(along, 1 - along) * length
    coverage = covered(np.minimum(half - np.abs(sideways), ends), frame.pixel)
    return Strip(coverage, along, np.clip(sideways / np.maximum(half, frame.pixel), -1, 1))


def dotted(
    frame: Frame, centres: NDArray[np.float64], radius: NDArray[np.float64], tall: float
) -> Plane:
    """Soft spots, 1 in their middle: `centres` (N, 2) and `radius` (N,) in the frame's units.

    `tall` stretches them along y. Where spots meet, the stronger one shows.
    """
    spots = np.zeros_like(frame.x)
    size = spots.shape[0]
    # The frame is the picture's grid turned, scaled and moved: solve for the pixel of a centre.
    right = np.array([frame.x[0, 1] - frame.x[0, 0], frame.y[0, 1] - frame.y[0, 0]])
    down = np.array([frame.x[1, 0] - frame.x[0, 0], frame.y[1, 0] - frame.y[0, 0]])
    origin = np.array([frame.x[0, 0], frame.y[0, 0]])
    column_row = np.linalg.solve(np.column_stack([right, down]), (centres - origin).T).T
    reach = int(np.ceil(2 * float(radius.max()) * max(tall, 1) / frame.pixel))
    offsets = np.arange(-reach, reach + 1)
    rows = np.rint(column_row[:, 1]).astype(int)[:, None, None] + offsets[:, None]
    columns = np.rint(column_row[:, 0]).astype(int)[:, None, None] + offsets
    rows, columns = np.broadcast_arrays(rows, columns)
    seen = (rows >= 0) & (rows < size) & (columns >= 0) & (columns < size)
    rows_seen, columns_seen = np.clip(rows, 0, size - 1), np.clip(columns, 0, size - 1)
    dx = frame.x[rows_seen, columns_seen] - centres[:, 0, None, None]
    dy = (frame.y[rows_seen, columns_seen] - centres[:, 1, None, None]) / tall
    strength = np.exp(-(dx**2 + dy**2) / radius[:, None, None] ** 2) * seen
    np.maximum.at(spots, (rows_seen, columns_seen), strength.astype(np.float32))
    return spots


def bumped(surface: Surface, relief: Plane, frame: Frame, strength: float) -> Surface:
    """The surface with its normals tilted by a relief, a height in the frame's units."""
    down, right = np.gradient(relief)
    # Undo the frame's turn, so that the slopes are along its own x and y.
    per_pixel = frame.pixel
    x_right, y_right = (frame.x[0, 1] - frame.x[0, 0]), (frame.y[0, 1] - frame.y[0, 0])
    cos, sin = x_right / per_pixel, y_right / per_pixel
    slope_x = (right * cos + down * sin) / per_pixel
    slope_y = (right * sin - down * cos) / per_pixel
    nx, ny = surface.nx - strength * slope_x, surface.ny - strength * slope_y
    length = np.sqrt(nx**2 + ny**2 + surface.nz**2) + 1e-6
    return Surface(surface.coverage, nx / length, ny / length, surface.nz / length)


def shaded(surface: Surface, albedo: Plane | float, light: Vector, finish: Finish) -> Plane:
    """Phong's model with Blinn's half vector (Blinn 1977) and a little light from the ground."""
    facing = surface.nx * light[0] + surface.ny * light[1] + surface.nz * light[2]
    half = np.array([light[0], light[1], light[2] + 1])
    half /= np.linalg.norm(half)
    mirrored = surface.nx * half[0] + surface.ny * half[1] + surface.nz * half[2]
    ground = 0.12 * np.maximum(-surface.ny, 0)
    diffuse = finish.ambient + finish.diffuse * np.maximum(facing, 0) + ground
    glint = finish.gloss * np.maximum(mirrored, 0) ** finish.shininess
    return np.asarray(albedo * diffuse + glint, dtype=np.float32)
