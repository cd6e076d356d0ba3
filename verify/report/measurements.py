"""The figures of a benchmark as tables, of which only those columns are shown that hold any."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from verify.benchmark_document import BenchmarkDocument, BenchmarkForm, BenchmarkRow
from verify.report.figures import figure, megabytes, part, short, times


@dataclass(frozen=True)
class TableRow:
    """A contender: its name, what it is, the texts of its cells, and why some are empty."""

    name: str
    about: str
    cells: tuple[str, ...]
    reason: str | None


@dataclass(frozen=True)
class Table:
    """Figures of one kind."""

    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]


@dataclass(frozen=True)
class _Column:
    title: str
    key: str
    show: Callable[[float | None], str]


def _plain(value: float | None) -> str:
    return figure(value)


def _milliseconds(value: float | None) -> str:
    return figure(value, "_ms")


def _decibels(value: float | None) -> str:
    return figure(value, "_db")


_TIMES = (
    _Column("p50", "latency_p50_ms", _milliseconds),
    _Column("p90", "latency_p90_ms", _milliseconds),
    _Column("fastest", "latency_min_ms", _milliseconds),
    _Column("between rounds", "round_spread", part),
    _Column("vs PyTorch", "speed_vs_pytorch", times),
    _Column("vs plain", "speed_vs_plain", times),
    _Column("GFLOP/s", "gflop_per_s", _plain),
    _Column("of sgemm", "share_of_sgemm", part),
)
_WHAT = (
    _Column("size", "size_bytes", megabytes),
    _Column("PSNR", "psnr_db", _decibels),
)
_OF_THE_FIRST_VERSION = (_Column("peak memory", "peak_memory_bytes", megabytes),)
_XNNPACK = (
    _Column("GFLOP", "gflop", _plain),
    _Column("ops", "ops", _plain),
    _Column("on XNNPACK", "share_of_ops_on_xnnpack", part),
    _Column("of the GFLOP", "share_of_gflop_on_xnnpack", part),
    _Column("in pieces", "xnnpack_partitions", _plain),
)
_MEMORY = (
    _Column("own", "anonymous_bytes", megabytes),
    _Column("of files", "file_backed_bytes", megabytes),
    _Column("first answer", "first_answer_ms", _milliseconds),
    _Column("own, cached", "cached_anonymous_bytes", megabytes),
    _Column("of files, cached", "cached_file_backed_bytes", megabytes),
    _Column("first answer, cached", "cached_first_answer_ms", _milliseconds),
    _Column("cache on disk", "weight_cache_bytes", megabytes),
)


def tables_of(benchmark: BenchmarkDocument | None) -> tuple[Table, ...]:
    """The tables of what was measured; none without a benchmark."""
    if benchmark is None:
        return ()
    if not benchmark.forms:
        columns = (*_WHAT, *_TIMES, *_OF_THE_FIRST_VERSION)
        return (_table("Speed and size", "", columns, benchmark.rows),)
    speeds = " and ".join(
        f"{figure(row['gflop_per_s'])} with {figure(row['num_threads'])}" for row in benchmark.sgemm
    )
    note = "Above 1 is faster; \u201cplain\u201d is the conversion without chunkport's rewrites."
    if speeds:
        note += f" This machine multiplies float32 matrices at {speeds} threads, in GFLOP/s."
    memory = (
        "What a fresh process grows by, in memory of its own and in what it maps of files; then "
        "the same with XNNPACK's weights kept in a cache on disk."
    )
    tables = (
        _table("Speed", note, _TIMES, benchmark.rows),
        _table(
            "Work",
            "What a run computes, and who computes it.",
            (*_WHAT, *_XNNPACK),
            benchmark.forms,
        ),
        _table("Memory", memory, _MEMORY, benchmark.forms),
    )
    return tuple(table for table in tables if table.columns)


def _table(
    title: str,
    note: str,
    columns: Sequence[_Column],
    rows: "Sequence[BenchmarkRow | BenchmarkForm]",
) -> Table:
    shown = [it for it in columns if any(row.figures.get(it.key) is not None for row in rows)]
    return Table(
        title,
        note,
        tuple(column.title for column in shown),
        tuple(
            TableRow(
                name=short(row.label if isinstance(row, BenchmarkRow) else row.name),
                about=", ".join(filter(None, (row.precision, row.variant, row.runtime))),
                cells=tuple(column.show(row.figures.get(column.key)) for column in shown),
                reason=_missing(row),
            )
            for row in rows
        ),
    )


def _missing(row: BenchmarkRow | BenchmarkForm) -> str | None:
    """Why figures are missing, and the ops that XNNPACK leaves."""
    counts: Mapping[str, Any] = getattr(row, "counts", {})
    left = ", ".join(f"{count} {kind}" for kind, count in counts.get("ops_left", {}).items())
    return "; ".join(filter(None, (row.reason, left and f"not on XNNPACK: {left}"))) or None
