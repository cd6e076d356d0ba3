"""Bars for the charts of a benchmark."""

from collections.abc import Sequence
from dataclasses import dataclass

from verify.benchmark_document import BenchmarkDocument, BenchmarkForm, BenchmarkRow
from verify.report.figures import figure, megabytes, short

_NETWORK = "pytorch"
_MOST_OF_MEDIAN = 1.5  # for what is slower than the median, in every latency's chart


@dataclass(frozen=True)
class Bar:
    """One bar of a chart.

    Attributes:
        label: whose it is.
        text: the value with its unit, or why there is none.
        percent: its length, of the longest mark in the chart; None without a value.
        tick_percent: where a second, slower value lies; None without one.
        more_percent: how far a second part of the value reaches from where the first ends.
        baseline: whether the others are compared with it.
    """

    label: str
    text: str
    percent: float | None
    tick_percent: float | None = None
    more_percent: float | None = None
    baseline: bool = False


@dataclass(frozen=True)
class Chart:
    """Bars of one kind of figure, all to one scale."""

    title: str
    note: str
    bars: tuple[Bar, ...]


def charts_of(benchmark: BenchmarkDocument | None) -> tuple[Chart, ...]:
    """The charts of what was measured; none without a benchmark."""
    if benchmark is None:
        return ()
    forms: Sequence[BenchmarkRow | BenchmarkForm] = benchmark.forms or benchmark.rows
    charts = [*_latencies(benchmark.rows), _sizes(forms)]
    if any(form.figures["anonymous_bytes"] for form in benchmark.forms):
        charts.append(_memory(benchmark.forms))
    return tuple(charts)


def _latencies(rows: Sequence[BenchmarkRow]) -> list[Chart]:
    """A chart for each number of threads, to one scale, so that they can be compared."""
    keys = ("latency_p50_ms", "latency_p90_ms")
    longest = max(_seen(*(row.figures[key] for key in keys)) for row in rows) or 1.0
    note = "median of one run; the thin line reaches to the 90th percentile, if that has room"
    charts = []
    for threads in dict.fromkeys(row.threads for row in rows):
        told = {None: "", 1: ", one thread"}.get(threads, f", {threads} threads")
        bars = []
        for row in rows:
            if row.threads != threads:
                continue
            value, slow = (row.figures[key] for key in keys)
            bars.append(
                Bar(
                    label=short(row.name),
                    text=figure(value, keys[0]) or row.reason or "not measured",
                    percent=_percent(value, longest),
                    tick_percent=None if slow is None else min(100 * slow / longest, 100),
                    baseline=row.runtime == _NETWORK,
                )
            )
        charts.append(Chart(f"Latency{told}", note, tuple(bars)))
    return charts


def _seen(median: float | None, slow: float | None) -> float:
    """How far the scale reaches for one bar: slow runs of a busy machine must not rule it."""
    return min(slow or 0, _MOST_OF_MEDIAN * (median or 0)) or median or 0


def _sizes(forms: "Sequence[BenchmarkRow | BenchmarkForm]") -> Chart:
    sizes = {form.name: form.figures["size_bytes"] for form in forms}
    longest = max(size or 0 for size in sizes.values()) or 1.0
    networks = {form.name for form in forms if form.runtime == _NETWORK}
    bars = tuple(
        Bar(
            label=short(name),
            text=megabytes(size) or "not known",
            percent=_percent(size, longest),
            baseline=name in networks,
        )
        for name, size in sizes.items()
    )
    return Chart("Size", "of the file; for PyTorch, of its weights", bars)


def _memory(forms: Sequence[BenchmarkForm]) -> Chart:
    parts = [(it.figures["anonymous_bytes"], it.figures["file_backed_bytes"]) for it in forms]
    longest = max((own or 0) + (mapped or 0) for own, mapped in parts) or 1.0
    bars = []
    for form, (own, mapped) in zip(forms, parts, strict=True):
        known = own is not None and mapped is not None
        bars.append(
            Bar(
                label=short(form.name),
                text=f"{megabytes(own)} + {megabytes(mapped)}" if known else "not measured",
                percent=_percent(own, longest),
                more_percent=_percent(mapped, longest),
                baseline=form.runtime == _NETWORK,
            )
        )
    note = "the process's own, then what it maps of files, which the system may take back"
    return Chart("Memory", note, tuple(bars))


def _percent(value: float | None, longest: float) -> float | None:
    return None if value is None else 100 * value / longest
