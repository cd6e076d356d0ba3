from verify.benchmark_document import BenchmarkDocument
from verify.report.measurements import tables_of

_SPACE = "\N{NO-BREAK SPACE}"


def test_without_a_benchmark_there_is_no_table() -> None:
    assert tables_of(None) == ()


def test_tables_have_the_columns_that_hold_something(second_document: BenchmarkDocument) -> None:
    speed, work, memory = tables_of(second_document)
    assert speed.columns == ("p50", "p90", "vs PyTorch", "of sgemm")
    assert speed.rows[1].name == "a, 1 thread"
    assert speed.rows[1].about == "fp32, rewritten, litert"
    assert speed.rows[1].cells[2:] == (f"4.00{_SPACE}\N{MULTIPLICATION SIGN}", "50%")
    assert "20 with 1 and 40 with 2 threads" in speed.note
    assert work.columns == ("size", "ops", "on XNNPACK")
    assert memory.columns == ("own", "of files", "own, cached")


def test_what_xnnpack_leaves_is_named_and_no_share_is_rounded_to_all(
    second_document: BenchmarkDocument,
) -> None:
    row = tables_of(second_document)[1].rows[1]
    assert row.cells[-1] == "99.9%"
    assert row.reason == "not on XNNPACK: 2 GATHER_ND"


def test_the_first_version_is_one_table(first_document: BenchmarkDocument) -> None:
    (table,) = tables_of(first_document)
    assert table.columns == ("size", "p50", "p90", "peak memory")
    assert table.rows[0].cells[-1] == f"5.00{_SPACE}MB"
