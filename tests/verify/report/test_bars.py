from dataclasses import replace

import pytest

from verify.benchmark_document import BenchmarkDocument
from verify.report.bars import charts_of

_SPACE = "\N{NO-BREAK SPACE}"


def test_without_a_benchmark_there_is_no_chart() -> None:
    assert charts_of(None) == ()


def test_each_number_of_threads_has_its_chart_to_one_scale(
    second_document: BenchmarkDocument,
) -> None:
    one, two, _, _ = charts_of(second_document)
    assert (one.title, two.title) == ("Latency, one thread", "Latency, 2 threads")
    assert [bar.percent for bar in one.bars] == [80, 20]
    assert [bar.percent for bar in two.bars] == [40, 10]
    assert [bar.tick_percent for bar in one.bars] == [100, 25]
    assert [bar.label for bar in one.bars] == ["PyTorch", "a"]
    assert [bar.baseline for bar in one.bars] == [True, False]


def test_slow_runs_of_a_busy_moment_do_not_rule_the_scale(
    second_document: BenchmarkDocument,
) -> None:
    row = second_document.rows[0]
    busy = replace(row, figures={**row.figures, "latency_p90_ms": 400.0})
    one = charts_of(replace(second_document, rows=(busy, *second_document.rows[1:])))[0]
    assert one.bars[0].percent == pytest.approx(100 / 1.5)
    assert one.bars[0].tick_percent == 100


def test_memory_is_of_two_parts(second_document: BenchmarkDocument) -> None:
    memory = charts_of(second_document)[-1]
    assert memory.title == "Memory"
    unknown, file = memory.bars
    assert (unknown.percent, unknown.text) == (None, "not measured")
    assert (file.percent, file.more_percent) == (75, 25)
    assert file.text == f"3.00{_SPACE}MB + 1.00{_SPACE}MB"


def test_sizes_stand_once(second_document: BenchmarkDocument) -> None:
    size = charts_of(second_document)[2]
    assert [bar.label for bar in size.bars] == ["PyTorch", "a"]


def test_the_first_version_has_two_charts(first_document: BenchmarkDocument) -> None:
    assert [chart.title for chart in charts_of(first_document)] == ["Latency", "Size"]
