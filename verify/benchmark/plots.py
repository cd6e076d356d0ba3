"""Three pictures of a benchmark: latency, bytes by kind of op, and latency against size."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from chunkport.files import make_folder, replacing
from verify.benchmark_document import BenchmarkDocument, BenchmarkRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NAMES = ("latency.png", "size.png", "latency_and_size.png")
_KINDS = 6  # with a colour of their own in the picture of sizes
_LEAST = 0.005  # of all bytes; less would not be seen
_REST = "names, structure, card"
_ROUND = 100  # ms, from which on no fraction is told
_INCH_PER_BAR = 0.28
_DPI = 150


def plot_paths(folder: Path) -> list[Path]:
    """The files that `draw_plots` writes."""
    return [folder / name for name in _NAMES]


def draw_plots(document: BenchmarkDocument, model: str, folder: Path) -> list[Path]:
    """Draw all three as PNG, in place of what is there.

    Raises:
        UsageError: the folder cannot be made or written.
    """
    make_folder(folder)
    rows = [row for row in document.rows if row.figures["latency_p50_ms"] is not None]
    figures = (_latency(rows, model), _sizes(document, model), _latency_and_size(rows, model))
    for path, figure in zip(plot_paths(folder), figures, strict=True):
        with replacing(path) as temporary:
            figure.savefig(temporary, format="png", dpi=_DPI)
    return plot_paths(folder)


def _latency(rows: Sequence[BenchmarkRow], model: str) -> "Figure":
    """A point for each contender and number of threads; the scale is one of ratios."""
    names = list(dict.fromkeys(row.name for row in rows))
    threads = _threads(rows)
    figure, axes = _canvas(len(names) * (len(threads) + 0.6))
    for place, count in enumerate(threads):
        some = [row for row in rows if row.figures["num_threads"] == count]
        lines = [
            names.index(row.name) + (place - (len(threads) - 1) / 2) * 0.8 / len(threads)
            for row in some
        ]
        p50 = [row.figures["latency_p50_ms"] or 0 for row in some]
        p90 = [row.figures["latency_p90_ms"] or 0 for row in some]
        beyond = [[0.0] * len(some), [high - low for low, high in zip(p50, p90, strict=True)]]
        axes.errorbar(p50, lines, xerr=beyond, fmt="o", capsize=3, label=_told(count))
        for line, value in zip(lines, p50, strict=True):
            axes.text(
                *(1.01, line, f"{value:,.0f} ms" if value >= _ROUND else f"{value:.3g} ms"),
                transform=axes.get_yaxis_transform(),
                color=f"C{place}",
                verticalalignment="center",
            )
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("latency, ms: median, and a whisker to the 90th percentile")
    axes.set_title(f"{model}: latency")
    axes.xaxis.set_major_formatter("{x:g}")
    figure.legend(loc="outside lower center", ncols=len(threads))
    return figure


def _sizes(document: BenchmarkDocument, model: str) -> "Figure":
    """A bar for each file, cut by the kind of op that its bytes are for."""
    forms = [form for form in document.forms if form.counts["bytes_by_op_kind"]]
    total: dict[str, int] = {}
    for form in forms:
        for kind, size_bytes in form.counts["bytes_by_op_kind"].items():
            total[kind] = total.get(kind, 0) + size_bytes
    kinds = sorted(total, key=lambda kind: -total[kind])[:_KINDS]
    kinds = [kind for kind in kinds if total[kind] >= _LEAST * sum(total.values())]
    figure, axes = _canvas(len(forms))
    starts = [0.0] * len(forms)
    for kind in (*kinds, "other ops", _REST):
        widths = [_share(form.counts, kind, kinds) / 1e6 for form in forms]
        if any(widths):
            axes.barh(range(len(forms)), widths, 0.7, left=starts, label=kind)
        starts = [start + width for start, width in zip(starts, widths, strict=True)]
    axes.set_yticks(range(len(forms)), [form.name for form in forms])
    axes.invert_yaxis()
    axes.set_xlabel("size, MB")
    axes.set_title(f"{model}: bytes by the op that reads them")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def _share(counts: Mapping[str, Mapping[str, int]], kind: str, kinds: Sequence[str]) -> int:
    if kind == _REST:
        return sum(counts["bytes_of_the_rest"].values())
    by_kind = counts["bytes_by_op_kind"]
    if kind in kinds:
        return by_kind.get(kind, 0)
    return sum(size for other, size in by_kind.items() if other not in kinds)


def _latency_and_size(rows: Sequence[BenchmarkRow], model: str) -> "Figure":
    """A point for each contender at the most threads: the lower left is the best."""
    most = _threads(rows)[-1]
    some = [row for row in rows if row.figures["num_threads"] == most]
    figure, axes = _canvas(12)
    for place, row in enumerate(some):
        marker = {"rewritten": "o", "plain": "s"}.get(row.variant or "", "^")
        axes.plot(
            (row.figures["size_bytes"] or 0) / 1e6,
            row.figures["latency_p50_ms"] or 0,
            marker,
            color=f"C{place}",
            markersize=9,
            linestyle="none",
            label=row.name,
        )
    axes.set_xlim(left=0)
    axes.set_yscale("log")
    axes.set_xlabel("size, MB")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_ylabel("median latency, ms")
    axes.set_title(f"{model}: latency and size on {_told(most)}")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def _canvas(bars: float) -> "tuple[Figure, Axes]":
    """A figure that is made without a display and holds this many bars one below the other."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 1.6 + bars * _INCH_PER_BAR), layout="constrained")
    axes = figure.add_subplot()
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    return figure, axes


def _threads(rows: Sequence[BenchmarkRow]) -> list[int]:
    return sorted({int(row.figures["num_threads"] or 0) for row in rows})


def _told(threads: int) -> str:
    return f"{threads} thread{'s' if threads > 1 else ''}"
