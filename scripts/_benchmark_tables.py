"""The tables of `chunkport benchmark`; each fits 100 columns where names are not too long."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from scripts._output import Column, Output, megabytes, number, ratio

if TYPE_CHECKING:
    from verify.benchmark.measure import Benchmark

Rows = Sequence[Mapping[str, Any]]
_LARGEST = 10  # kinds and modules that are shown; JSON has all
_ABREAST = 4  # files in one table of bytes
_HANDFUL = 5
_LEAST = 1e-4  # of the bytes, for a line of its own
_REST = "(names, structure, card)"
_MEMORY_TITLE = "Memory: the process's own, and of files; then with XNNPACK's weights cached"


def percent(value: float | None) -> str:
    """A share for a person."""
    return "-" if value is None else f"{value:.0%}"


def coverage(value: float | None) -> str:
    """A share for a person that says 100 % only of all."""
    return "-" if value is None else f"{math.floor(1000 * value) / 10:.4g}%"


def kilobytes(size_bytes: int | None) -> str:
    """Bytes as decimal kilobytes for a person."""
    return "-" if size_bytes is None else f"{size_bytes / 1e3:,.1f} kB"


_SPEEDS = (
    Column("latency_p50_ms", "p50 ms", number, right=True),
    Column("latency_p90_ms", "p90 ms", number, right=True),
    Column("latency_min_ms", "min ms", number, right=True),
    Column("round_spread", "spread", percent, right=True),
    Column("speed_vs_pytorch", "vs torch", ratio, right=True),
    Column("speed_vs_plain", "vs plain", ratio, right=True),
    Column("gflop_per_s", "GFLOP/s", number, right=True),
    Column("share_of_sgemm", "/ sgemm", percent, right=True),
)
_FORMS = (
    Column("size_bytes", "size", megabytes, right=True),
    Column("psnr_db", "PSNR dB", number, right=True),
    Column("gflop", "GFLOP", number, right=True),
    Column("ops", "ops", number, right=True),
    Column("share_of_ops_on_xnnpack", "on XNNPACK", coverage, right=True),
    Column("share_of_gflop_on_xnnpack", "of GFLOP", coverage, right=True),
    Column("xnnpack_partitions", "pieces", number, right=True),
)
_MEMORY = (
    Column("anonymous_bytes", "own", megabytes, right=True),
    Column("file_backed_bytes", "of file", megabytes, right=True),
    Column("first_answer_ms", "start ms", number, right=True),
    Column("cached_anonymous_bytes", "cached", megabytes, right=True),
    Column("cached_file_backed_bytes", "of files", megabytes, right=True),
    Column("cached_first_answer_ms", "start ms", number, right=True),
    Column("weight_cache_bytes", "disk", megabytes, right=True),
)


def show_measured(
    output: Output, benchmark: "Benchmark", forms: Rows, given: Sequence[str]
) -> None:
    """All tables, then what is missing and whether the machine was quiet.

    Args:
        output: where they go.
        benchmark: what was measured.
        forms: its forms as JSON values.
        given: the names of those whose bytes are shown.
    """
    show_speeds(output, benchmark)
    output.fact("round_spread", benchmark.noise)
    name = _name_column(forms)
    output.table("forms", "The files and their ops", (name, *_FORMS), forms)
    if any(form["anonymous_bytes"] is not None for form in forms):
        output.table(None, _MEMORY_TITLE, (name, *_MEMORY), forms)
    _show_sizes(output, [form for form in forms if form["name"] in given])
    for form in forms:
        if form["reason"]:
            output.warn(f"{form['name']}: {form['reason']}")
    if benchmark.noisy:
        output.warn(
            f"the machine was busy: between rounds, the same work took {benchmark.noise:.0%} more "
            "or less; trust none of the times, and ratios with care; stop what else runs, and "
            "measure again"
        )
    if benchmark.unsteady:
        output.warn(
            f"{', '.join(benchmark.unsteady)}: some rounds took over twice the time of others; "
            "trust no figure of speed that it has a part in"
        )


def show_speeds(output: Output, benchmark: "Benchmark") -> None:
    """One table for each number of threads, under the speed of the machine."""
    from verify.benchmark.as_json import sgemm_rows, timing_rows

    output.fact("sgemm", sgemm_rows(benchmark))
    for machine in sgemm_rows(benchmark):
        threads = machine["num_threads"]
        title = (
            f"Speed on {threads} thread{'s' if threads > 1 else ''}, measured in turn; "
            f"sgemm reaches {machine['gflop_per_s']:.0f} GFLOP/s"
        )
        rows = [row for row in timing_rows(benchmark) if row["num_threads"] == threads]
        output.table("contenders", title, (_name_column(rows), *_SPEEDS), rows)


def _name_column(rows: Rows) -> Column:
    """Files by their precision alone, where that tells them apart; by their names where not."""
    ours = [row for row in rows if row["variant"] == "rewritten"]
    short = {row["name"]: _short_name(row) for row in ours}
    if len(set(short.values())) < len(ours):
        short = {}
    return Column("name", "model", lambda name: short.get(name, str(name).removesuffix(".tflite")))


def _short_name(row: Mapping[str, Any]) -> str:
    runtime = row["runtime"]
    return str(row["precision"] if runtime == "litert" else f"{row['precision']} in {runtime}")


def _show_sizes(output: Output, forms: Rows) -> None:
    for title, key in (("op", "bytes_by_op_kind"), ("module", "bytes_by_module")):
        counted = [_cut_short(form[key]) for form in forms]
        for first in range(0, len(forms), _ABREAST):
            abreast = slice(first, first + _ABREAST)
            _show_bytes(output, title, forms[abreast], counted[abreast])


def _cut_short(sizes: Mapping[str, int]) -> dict[str, int]:
    """Modules with only so much of their paths as tells a handful of them apart."""
    depth = 1
    while True:
        found: dict[str, int] = {}
        for path, size_bytes in sizes.items():
            short = ".".join(path.split(".")[:depth])
            found[short] = found.get(short, 0) + size_bytes
        if len(found) >= _HANDFUL or len(found) == len(sizes):
            return found
        depth += 1


def _show_bytes(
    output: Output, title: str, forms: Rows, counted: Sequence[Mapping[str, int]]
) -> None:
    total: dict[str, int] = {}
    for sizes in counted:
        for kind, size_bytes in sizes.items():
            total[kind] = total.get(kind, 0) + size_bytes
    kinds = sorted(total, key=lambda kind: -total[kind])
    shown = [kind for kind in kinds[:_LARGEST] if total[kind] >= _LEAST * sum(total.values())]
    others = kinds[len(shown) :]
    rows = [
        _line(kind or "(the outermost)", [sizes.get(kind) for sizes in counted]) for kind in shown
    ]
    if others:
        sums = [sum(sizes.get(kind, 0) for kind in others) for sizes in counted]
        rows.append(_line(f"({len(others)} more)", sums))
    rows.append(_line(_REST, [sum(form["bytes_of_the_rest"].values()) for form in forms]))
    rows.append(_line("the whole file", [form["size_bytes"] for form in forms]))
    title_of = _name_column(forms).show
    columns = [
        Column(str(place), title_of(form["name"]), kilobytes, right=True)
        for place, form in enumerate(forms)
    ]
    output.table(
        None, f"Bytes by the {title} that they are for", [Column("kind", title), *columns], rows
    )


def _line(kind: str, sizes: Sequence[int | None]) -> dict[str, Any]:
    return {"kind": kind} | {str(place): size for place, size in enumerate(sizes)}
