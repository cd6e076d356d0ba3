"""Bars for the charts of a benchmark."""

from dataclasses import dataclass

from verify.benchmark_document import BenchmarkDocument
from verify.report.figures import figure, megabytes


@dataclass(frozen=True)
class Bar:
    """One bar of a chart.

    Attributes:
        label: whose it is.
        text: the value with its unit, or why there is none.
        percent: its length, of the longest mark in the chart; None without a value.
        tick_percent: where a second, slower value lies; None without one.
        baseline: whether the others are compared with it.
    """

    label: str
    text: str
    percent: float | None
    tick_percent: float | None
    baseline: bool


def charts_of(benchmark: BenchmarkDocument | None) -> dict[str, tuple[Bar, ...]]:
    """Each chart's bars by what it shows; none without a benchmark."""
    if benchmark is None:
        return {}
    return {
        "latency": _bars(benchmark, "latency_p50_ms", "latency_p90_ms"),
        "size": _bars(benchmark, "size_bytes"),
    }


def _bars(benchmark: BenchmarkDocument, key: str, tick_key: str | None = None) -> tuple[Bar, ...]:
    keys = [key] + ([tick_key] if tick_key else [])
    values = [row.figures[name] or 0 for row in benchmark.rows for name in keys]
    longest = max(values) or 1.0
    bars = []
    for row in benchmark.rows:
        value = row.figures[key]
        tick = row.figures[tick_key] if tick_key else None
        text = megabytes(value) if key.endswith("_bytes") else figure(value, key)
        bars.append(
            Bar(
                label=row.label,
                text=text or row.reason or "not measured",
                percent=None if value is None else 100 * value / longest,
                tick_percent=None if tick is None else 100 * tick / longest,
                baseline=row.runtime == "pytorch",
            )
        )
    return tuple(bars)
