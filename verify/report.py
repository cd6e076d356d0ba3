"""One HTML file of all that is known about some .tflite files; it needs no network, no scripts.

`Report` holds the values, `templates/` the page: one section per file of `templates/sections/`.
The same values give the same bytes.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chunkport import __version__
from chunkport.files import replacing
from convert.card import Card
from verify.benchmark_document import BenchmarkDocument
from verify.contact_sheet import ContactSheet
from verify.verdict import Verdict

_INTEGER_DIGITS = 4
_SENSES = {"at_most": "\N{LESS-THAN OR EQUAL TO}", "at_least": "\N{GREATER-THAN OR EQUAL TO}"}
_NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True)
class JudgedFile:
    """A .tflite: what the page calls it, what was found, and who it says it is."""

    label: str
    verdict: Verdict
    card: Card | None

    @property
    def counts(self) -> dict[str, int]:
        """How many checks passed, failed and could not run."""
        results = [check.passed for check in self.verdict.checks]
        return {
            "passed": results.count(True),
            "failed": results.count(False),
            "not run": results.count(None),
        }


@dataclass(frozen=True)
class CommandLine:
    """A command and what it is for."""

    purpose: str
    line: str


@dataclass(frozen=True)
class Origin:
    """What some files have in common: everything in their cards but the precision."""

    labels: tuple[str, ...]
    card: Card


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


@dataclass(frozen=True)
class Report:
    """All that the page shows.

    Attributes:
        checkpoint: its path, as it was given.
        models: name of each model to its summary.
        files: in the order of the page.
        sheets: one per model.
        benchmark: None where none was given.
        commands: that make the files and the page again.
    """

    checkpoint: str
    models: Mapping[str, str]
    files: tuple[JudgedFile, ...]
    sheets: tuple[ContactSheet, ...]
    benchmark: BenchmarkDocument | None
    commands: tuple[CommandLine, ...]

    @property
    def passed(self) -> bool:
        """Whether every file passed."""
        return all(file.verdict.passed for file in self.files)

    @property
    def headline(self) -> str:
        """The verdict in a word."""
        return "PASS" if self.passed else "FAIL"

    @property
    def conclusion(self) -> str:
        """The verdict in a sentence."""
        failed = [file.label for file in self.files if not file.verdict.passed]
        total = f"{len(self.files)} files"
        if failed:
            return f"{len(failed)} of {total} failed: {', '.join(failed)}"
        incomplete = any(not file.verdict.complete for file in self.files)
        rest = "; some checks could not run" if incomplete else ""
        return f"{len(self.files)} of {total} agree with PyTorch within the limits{rest}"


def labels_of(paths: Sequence[Path]) -> list[str]:
    """What to call each file: its name, or its path where two share a name."""
    names = [path.name for path in paths]
    return [
        name if names.count(name) == 1 else str(path)
        for path, name in zip(paths, names, strict=True)
    ]


def write_report(report: Report, target: Path) -> None:
    """Write the page; `target` appears whole or not at all.

    Raises:
        UsageError: the folder is missing or not writable.
    """
    with replacing(target) as temporary:
        temporary.write_bytes(render(report).encode("utf-8", errors="replace"))


def render(report: Report) -> str:
    """The page. It is also well-formed XML, so that tests can read it strictly."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("verify"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "figure": figure,
        "megabytes": megabytes,
        "times": times,
        "sense": lambda sense: _SENSES[sense],
        "shape": lambda shape: " \N{MULTIPLICATION SIGN} ".join(map(str, shape)),
    }
    return environment.get_template("report.html.j2").render(
        report=report,
        version=__version__,
        origins=group_origins(report.files),
        charts=_charts(report.benchmark),
    )


def group_origins(files: Sequence[JudgedFile]) -> tuple[Origin, ...]:
    """The files by what their cards say, so that nothing stands on the page twice."""
    groups: list[tuple[dict[str, Any], list[str], Card]] = []
    for file in files:
        if file.card is None:
            continue
        common = {**file.card.to_json(), "precision": None}
        for known, labels, _ in groups:
            if known == common:
                labels.append(file.label)
                break
        else:
            groups.append((common, [file.label], file.card))
    return tuple(Origin(tuple(labels), card) for _, labels, card in groups)


def figure(value: float | None, name: str = "") -> str:
    """A number to four digits, with the unit that its name ends in; nothing for None."""
    if value is None:
        return ""
    if math.isinf(value):
        text = "\N{INFINITY}" if value > 0 else "-\N{INFINITY}"
    elif abs(value) >= 10**_INTEGER_DIGITS:
        text = f"{value:,.0f}"
    else:
        text = f"{value:.4g}"
    unit = {"_db": "dB", "_ms": "ms"}.get(name[-3:])
    return f"{text}{_NO_BREAK_SPACE}{unit}" if unit else text


def megabytes(size_bytes: float | None) -> str:
    """Bytes as decimal megabytes, as phones and app stores count them; nothing for None."""
    return "" if size_bytes is None else f"{size_bytes / 1e6:,.2f}{_NO_BREAK_SPACE}MB"


def times(value: float | None) -> str:
    """A ratio of speeds; nothing for None."""
    return "" if value is None else f"{value:.2f}{_NO_BREAK_SPACE}\N{MULTIPLICATION SIGN}"


def _charts(benchmark: BenchmarkDocument | None) -> dict[str, tuple[Bar, ...]]:
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
