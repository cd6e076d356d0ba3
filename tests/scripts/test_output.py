import json
import math
from typing import Any

import pytest

from scripts._output import Column, Output, megabytes, number, ratio

COLUMNS = (Column("path", "file"), Column("size_bytes", "size", megabytes, right=True))
ROWS = [{"path": "a.tflite", "size_bytes": 1_500_000, "sha256": "ab"}]


def printed_json(output: Output, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    output.close()
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_a_person_sees_columns_as_they_were_titled(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output("convert")
    output.table("files", "made", COLUMNS, ROWS)
    output.close()
    title, _, head, _, row, *_ = capsys.readouterr().out.splitlines()
    assert title.strip() == "made"
    assert head.split() == ["file", "size"]
    assert row.split() == ["a.tflite", "1.50", "MB"]


def test_json_holds_rows_whole_and_a_repeated_table_adds_to_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = Output("convert", as_json=True)
    output.table("files", "made", COLUMNS, ROWS)
    output.table("files", "made", COLUMNS, ROWS)
    output.table(None, "only to look at", COLUMNS, ROWS)
    assert capsys.readouterr().out == ""
    document = printed_json(output, capsys)
    assert document == {"schema_version": 1, "command": "convert", "files": ROWS + ROWS}


def test_values_are_shown_as_they_are_and_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    path = "[bold]" + "/folder" * 60
    Output("convert").table("files", "made", COLUMNS, [{"path": path, "size_bytes": None}])
    rows = capsys.readouterr().out.splitlines()[4:]
    assert "".join(row.split()[0] for row in rows if row.strip()) == path
    assert rows[0].split()[-1] == "-"


def test_numbers_that_json_does_not_have_become_null(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output("verify", as_json=True)
    output.fact("psnr_db", math.inf)
    output.table("checks", "checks", (), [{"value": math.nan, "limits": (1.0, -math.inf)}])
    document = printed_json(output, capsys)
    assert document["psnr_db"] is None
    assert document["checks"] == [{"value": None, "limits": [1.0, None]}]


def test_results_go_to_stdout_and_the_rest_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output("verify")
    output.fact("passed", value=True, sentence="PASSED")
    output.fact("seed", 0)
    output.note("reading")
    output.warn("mended")
    output.next_step("chunkport benchmark")
    output.close()
    said = capsys.readouterr()
    assert said.out == "PASSED\nNext: chunkport benchmark\n"
    assert said.err == "reading\nWarning: mended\n"


def test_quiet_keeps_results_and_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output("verify", quiet=True)
    output.fact("passed", value=True, sentence="PASSED")
    output.note("reading")
    output.warn("mended")
    output.next_step("chunkport benchmark")
    said = capsys.readouterr()
    assert said.out == "PASSED\n"
    assert said.err == "Warning: mended\n"


def test_json_carries_all_that_a_person_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output("verify", as_json=True)
    output.fact("passed", value=True, sentence="PASSED")
    output.warn("mended")
    output.next_step("chunkport benchmark")
    document = printed_json(output, capsys)
    assert document["passed"] is True
    assert document["warnings"] == ["mended"]
    assert document["next"] == "chunkport benchmark"


def test_no_bar_is_drawn_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with Output("train-gan").progress("training", total=2) as advance:
        advance()
        advance(1, "epoch 2")
    said = capsys.readouterr()
    assert said.out == said.err == ""


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (megabytes(1_234_567), "1.23 MB"),
        (megabytes(None), "-"),
        (ratio(2.934), "2.93x"),
        (ratio(None), "-"),
        (number(0.000123456), "0.0001235"),
        (number(math.inf), "inf"),
        (number(None), "-"),
    ],
)
def test_numbers_for_people(shown: str, text: str) -> None:
    assert shown == text
