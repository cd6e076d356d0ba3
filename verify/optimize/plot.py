"""The picture of a search: error and size of every candidate with a verdict."""

import math
from collections.abc import Sequence
from pathlib import Path

from chunkport.files import replacing
from verify.optimize.outcome import Budgets, Point
from verify.optimize.search import FROM_SEARCH

_DPI = 150


def draw_front(
    points: Sequence[Point], chosen: Point | None, budgets: Budgets, title: str, target: Path
) -> None:
    """Draw it as PNG, in place of what is there.

    Raises:
        UsageError: the folder cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5.5), layout="constrained")
    axes = figure.add_subplot()
    run = [point for point in points if point.tried.result.fault is None]
    for passed, marker, colour, label in (
        (True, "o", "tab:green", "passes its verdict"),
        (False, "x", "tab:red", "fails"),
    ):
        some = [point for point in run if point.tried.result.passed is passed]
        axes.plot(
            [_megabytes(point) for point in some],
            [_distance(point) for point in some],
            *(marker,),
            color=colour,
            linestyle="none",
            label=label,
        )
    front = [point for point in run if point.best]
    axes.plot(
        [_megabytes(point) for point in front],
        [_distance(point) for point in front],
        *("-",),
        color="grey",
        linewidth=1,
        zorder=0,
        label="nothing is smaller and nearer",
    )
    for point in run:
        if point.tried.name != FROM_SEARCH:
            axes.annotate(
                *(point.tried.name, (_megabytes(point), _distance(point))),
                xytext=(6, 4),
                textcoords="offset points",
            )
    if chosen is not None:
        axes.plot(
            *([_megabytes(chosen)], [_distance(chosen)], "o"),
            markersize=14,
            fillstyle="none",
            color="black",
            label="shipped",
        )
    if budgets.size_bytes is not None:
        axes.axvline(budgets.size_bytes / 1e6, linestyle=":", color="black", label="--max-size")
    axes.set_yscale("log")
    axes.set_xlim(left=0)
    axes.set_xlabel("size, MB")
    axes.set_ylabel("distance from PyTorch's outputs, as a part of theirs")
    axes.set_title(title)
    axes.grid(alpha=0.3)
    axes.legend()
    with replacing(target) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI)


def _megabytes(point: Point) -> float:
    return point.tried.result.size_bytes / 1e6


def _distance(point: Point) -> float:
    return math.sqrt(point.tried.result.error)
