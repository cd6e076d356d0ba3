"""Rectangles as large as their values, close to squares, nested: a treemap.

Squarified as by Bruls, Huizing and van Wijk, "Squarified Treemaps" (2000).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Rectangle:
    """A part of the plane."""

    x: float
    y: float
    width: float
    height: float


def squarify(sizes: Sequence[float], within: Rectangle) -> list[Rectangle]:
    """Fill a rectangle with one for each size, in their order; those of size 0 have no area.

    Rows are laid along the shorter side for as long as that makes their rectangles squarer. That
    comes out best where the largest are first.
    """
    remaining, free, done = list(sizes), within, []
    total = sum(sizes)
    while remaining:
        scale = free.width * free.height / total if total > 0 else 0.0
        row = _row(remaining, min(free.width, free.height), scale)
        placed, free = _place(remaining[:row], scale, free)
        done += placed
        total -= sum(remaining[:row])
        remaining = remaining[row:]
    return done


def _row(sizes: Sequence[float], side: float, scale: float) -> int:
    """How many of the first sizes make the row whose worst rectangle is the squarest."""
    count = 1
    worst = _worst_ratio(sizes[:1], side, scale)
    while count < len(sizes):
        longer = _worst_ratio(sizes[: count + 1], side, scale)
        if longer > worst:
            break
        count, worst = count + 1, longer
    return count


def _worst_ratio(sizes: Sequence[float], side: float, scale: float) -> float:
    """Of the rectangles in a row along `side`, the largest ratio of a longer side to a shorter."""
    area = sum(sizes) * scale
    if area <= 0 or side <= 0 or min(sizes) <= 0:
        return float("inf")
    depth = area / side
    lengths = [size * scale / depth for size in sizes]
    return max(max(depth / length, length / depth) for length in lengths)


def _place(
    sizes: Sequence[float], scale: float, free: Rectangle
) -> tuple[list[Rectangle], Rectangle]:
    """Put a row against the shorter side; also what is left of the rectangle."""
    area = sum(sizes) * scale
    across = free.width >= free.height
    side = free.height if across else free.width
    depth = area / side if side > 0 else 0.0
    placed = list(_along(sizes, free, depth, across=across))
    if across:
        rest = Rectangle(free.x + depth, free.y, max(free.width - depth, 0.0), free.height)
    else:
        rest = Rectangle(free.x, free.y + depth, free.width, max(free.height - depth, 0.0))
    return placed, rest


def _along(
    sizes: Sequence[float], free: Rectangle, depth: float, *, across: bool
) -> Iterator[Rectangle]:
    side = free.height if across else free.width
    total, start = sum(sizes), 0.0
    for size in sizes:
        length = side * size / total if total > 0 else 0.0
        if across:
            yield Rectangle(free.x, free.y + start, depth, length)
        else:
            yield Rectangle(free.x + start, free.y, length, depth)
        start += length
