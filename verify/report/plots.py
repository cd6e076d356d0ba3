"""Curves over the epochs, as the paths of a drawing that the page stretches to its width."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from verify.report.figures import figure

SIDE = 1000  # of the drawing, in its own units
_TICKS = 4
_FEW_EPOCHS = 40  # up to which each has its dot


@dataclass(frozen=True)
class Curve:
    """One curve.

    Attributes:
        label: what it is of.
        now: its last value, as text.
        path: an SVG path, from the left to the right and from 0 at the top to `SIDE`; it has gaps
            where values are not finite.
        dots: a path of a point for each value, empty where there are many.
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
) -> Plot:
    """Draw the values of each label, of one epoch after the other, within limits or as they are."""
    finite = [value for row in values.values() for value in row if math.isfinite(value)]
    marks = _marks(*(limits or (min(finite, default=0.0), max(finite, default=1.0))))
    curves = tuple(
        Curve(label, figure(row[-1]) if row else "", *_paths(row, marks[0], marks[-1]))
        for label, row in values.items()
    )
    epochs = max(map(len, values.values()), default=0)
    spans = ", ".join(
        f"{label} from {figure(row[0])} to {figure(row[-1])}"
        for label, row in values.items()
        if row
    )
    return Plot(
        title=title,
        axis=axis,
        curves=curves,
        marks=tuple(figure(mark) for mark in reversed(marks)),
        epochs=epochs,
        description=f"{title}, {axis}, epochs 1 to {epochs}: {spans}",
    )


def _marks(lowest: float, highest: float) -> list[float]:
    """Round values of equal distance that reach from below the lowest to above the highest."""
    from matplotlib.ticker import MaxNLocator

    found = MaxNLocator(_TICKS, min_n_ticks=2).tick_values(lowest, highest)
    return [float(mark) for mark in found]


def _paths(row: Sequence[float], bottom: float, top: float) -> tuple[str, str]:
    path, dots, pen_is_down = "", "", False
    for index, value in enumerate(row):
        if not math.isfinite(value):
            pen_is_down = False
            continue
        across = SIDE / 2 if len(row) == 1 else SIDE * index / (len(row) - 1)
        down = SIDE * (top - min(max(value, bottom), top)) / (top - bottom)
        place = f"{across:.1f} {down:.1f}"
        path += f"{'L' if pen_is_down else 'M'}{place}"
        dots += f"M{place}h0"
        pen_is_down = True
    return path, dots if len(row) <= _FEW_EPOCHS else ""
