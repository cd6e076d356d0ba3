"""Curves over the epochs, as the paths of a drawing that the page stretches to its width."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from verify.report.figures import figure

SIDE = 1000  # of the drawing, in its own units
_TICKS = 5
_FEW_VALUES = 40  # up to which each has its dot
_NEAR_ZERO = 0.01  # up to which a logarithmic scale is in proportion


@dataclass(frozen=True)
class Curve:
    """One curve.

    Attributes:
        label: what it is of.
        now: the last value that there is, as text.
        path: an SVG path, from the left to the right and from 0 at the top to `SIDE`.
        dots: a path of points, for each value where they are few.
    """

    label: str
    now: str
    path: str
    dots: str


@dataclass(frozen=True)
class Plot:
    """Curves to one scale.

    Attributes:
        title: above it.
        axis: what its values are, with their unit.
        curves: from bottom to top.
        marks: the values at lines of equal distance, from the top to the bottom of the drawing.
        epochs: of the last value; the first is of epoch 1.
        description: in words, for those who do not see it.
    """

    title: str
    axis: str
    curves: tuple[Curve, ...]
    marks: tuple[str, ...]
    epochs: int
    description: str


def draw_plot(
    title: str,
    axis: str,
    values: Mapping[str, Sequence[float]],
    limits: tuple[float, float] | None = None,
    *,
    logarithmic: bool = False,
) -> Plot:
    """Draw the values of each label, of one epoch after the other, within limits or as they are.

    Where they are `logarithmic`, each line of the drawing is ten times the one below it, but near 0
    and below.
    """
    finite = [value for row in values.values() for value in row if math.isfinite(value)]
    lowest, highest = limits or (min(finite, default=0.0), max(finite, default=1.0))
    if logarithmic:
        heights = _equal_steps(_logarithm(lowest), _logarithm(highest), whole=True)
        marks = [_power(height) for height in heights]
        rows = {label: [_logarithm(value) for value in row] for label, row in values.items()}
    else:
        heights = marks = _equal_steps(lowest, highest)
        rows = {label: list(row) for label, row in values.items()}
    ends = {label: _ends(row) for label, row in values.items()}
    epochs = max(map(len, values.values()), default=0)
    spans = ", ".join(f"{label} from {first} to {last}" for label, (first, last) in ends.items())
    return Plot(
        title=title,
        axis=axis,
        curves=tuple(
            Curve(label, ends[label][1], *_paths(row, heights[0], heights[-1]))
            for label, row in rows.items()
        ),
        marks=tuple(figure(mark) for mark in reversed(marks)),
        epochs=epochs,
        description=f"{title}, {axis}, epochs 1 to {epochs}: {spans}",
    )


def _ends(row: Sequence[float]) -> tuple[str, str]:
    """The first value that there is and the last one, as text."""
    there = [value for value in row if not math.isnan(value)]
    return (figure(there[0]), figure(there[-1])) if there else ("", "")


def _equal_steps(lowest: float, highest: float, *, whole: bool = False) -> list[float]:
    """Round values of equal distance that reach from below the lowest to above the highest."""
    from matplotlib.ticker import MaxNLocator

    if math.isclose(lowest, highest):  # else there is nothing between them to divide
        margin = abs(highest) / 10 or 1.0
        lowest, highest = lowest - margin, highest + margin
    found = MaxNLocator(_TICKS, min_n_ticks=2, integer=whole).tick_values(lowest, highest)
    return [float(mark) for mark in found]


def _logarithm(value: float) -> float:
    """The power of ten, above `_NEAR_ZERO` and counted from there; below it in proportion."""
    if not math.isfinite(value):
        return value
    size = abs(value) / _NEAR_ZERO
    return math.copysign(size if size <= 1 else 1 + math.log10(size), value)


def _power(height: float) -> float:
    """The way back."""
    size = abs(height)
    value = _NEAR_ZERO * (size if size <= 1 else 10 ** (size - 1))
    return math.copysign(value, height) if value else 0.0


def _paths(row: Sequence[float], bottom: float, top: float) -> tuple[str, str]:
    """The line and its dots; it goes on over what was not measured, and breaks at infinities."""
    path, dots, pen = "", "", "M"
    few = sum(map(math.isfinite, row)) <= _FEW_VALUES
    for index, value in enumerate(row):
        if math.isfinite(value):
            across = SIDE / 2 if len(row) == 1 else SIDE * index / (len(row) - 1)
            down = SIDE * (top - min(max(value, bottom), top)) / (top - bottom)
            path += f"{pen}{across:.1f} {down:.1f}"
            dots += f"M{across:.1f} {down:.1f}h0" if few else ""
            pen = "L"
        elif math.isinf(value):
            pen = "M"
    return path, dots
