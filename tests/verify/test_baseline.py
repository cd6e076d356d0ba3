"""What counts as worse than an earlier verdict, and which documents are no verdict."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chunkport.errors import BadInputError
from chunkport.json_values import without_infinities
from verify.baseline import latency_bounds, read_baseline, regression_checks, with_regressions
from verify.verdict import Check, Figure, Verdict, measured, skipped
from wrappers.spec import at_least, at_most

LIMITS = {"error": at_most("error", 0.5), "psnr_db": at_least("psnr_db", 40)}
CPU = "a quick one"


def verdict_with(**values: float) -> Verdict:
    checks = [measured(name, Figure("words"), value, LIMITS) for name, value in values.items()]
    return Verdict(
        path=Path("new.tflite"),
        model="gan-generator",
        precision="fp32",
        size_bytes=1000,
        sha256="ab",
        samples=2,
        seed=0,
        checks=tuple(checks),
        variant="rewritten",
        options={"source_size": (64, 96)},
    )


def written(path: Path, *verdicts: Verdict) -> Path:
    document = {
        "schema_version": 1,
        "command": "verify",
        "machine": {"cpu": CPU},
        "files": [verdict.to_json() for verdict in verdicts],
    }
    path.write_text(json.dumps(without_infinities(document)))
    return path


@pytest.fixture
def compare(tmp_path: Path) -> Callable[..., dict[str, Check]]:
    """`(earlier, now, factor=2, cpu=CPU)` to the rows by name."""

    def rows(earlier: Verdict, now: Verdict, factor: float = 2, cpu: str = CPU) -> dict[str, Check]:
        baseline = read_baseline(written(tmp_path / "earlier.json", earlier))
        return {check.name: check for check in regression_checks(now, baseline, factor, cpu)}

    return rows


@pytest.mark.parametrize(
    ("before", "now", "passed", "detail"),
    [
        ({"error": 0.2}, {"error": 0.2}, True, "as the baseline"),
        ({"error": 0.2}, {"error": 0.1}, True, "better than the baseline's 0.2"),
        ({"error": 0.2}, {"error": 0.229}, True, "worse than the baseline's 0.2"),
        ({"error": 0.2}, {"error": 0.231}, False, "worse than the baseline's 0.2"),
        ({"psnr_db": 60}, {"psnr_db": 58.1}, True, "worse than the baseline's 60"),
        ({"psnr_db": 60}, {"psnr_db": 57.9}, False, "worse than the baseline's 60"),
        ({"psnr_db": 60}, {"psnr_db": float("inf")}, True, "better than the baseline's 60"),
        ({"error": 0.2}, {"error": float("nan")}, False, "worse than the baseline's 0.2"),
    ],
)
def test_a_value_may_lose_a_tenth_of_the_way_to_its_limit(
    compare: Callable[..., dict[str, Check]],
    before: dict[str, float],
    now: dict[str, float],
    passed: bool,
    detail: str,
) -> None:
    (name,) = now
    row = compare(verdict_with(**before), verdict_with(**now))[f"baseline_{name}"]
    assert (row.passed, row.detail) == (passed, detail)


@pytest.mark.parametrize(("size", "passed"), [(1010, True), (1011, False), (900, True)])
def test_a_file_may_grow_by_a_hundredth(
    compare: Callable[..., dict[str, Check]], size: int, passed: bool
) -> None:
    row = compare(verdict_with(), replace(verdict_with(), size_bytes=size))["baseline_size_bytes"]
    assert (row.passed, row.value, row.limit) == (passed, size, 1010)


@pytest.mark.parametrize(("milliseconds", "passed"), [(9.9, True), (10.1, False)])
def test_latency_may_grow_by_the_factor(
    compare: Callable[..., dict[str, Check]], milliseconds: float, passed: bool
) -> None:
    earlier = replace(verdict_with(), latency_p50_ms=5.0)
    now = replace(verdict_with(), latency_p50_ms=milliseconds)
    assert compare(earlier, now)["baseline_latency_p50_ms"].passed is passed


def test_what_cannot_be_compared_is_a_row_with_its_reason(
    compare: Callable[..., dict[str, Check]],
) -> None:
    slow = replace(verdict_with(error=0.1), latency_p50_ms=5.0)
    fast = replace(slow, latency_p50_ms=1.0)
    bare = verdict_with(error=0.1)

    def reason(name: str, rows: dict[str, Check]) -> str | None:
        assert rows[name].passed is None
        return rows[name].reason

    latency, error = "baseline_latency_p50_ms", "baseline_error"
    assert reason(latency, compare(bare, slow)) == "the baseline was made without --latency"
    assert reason(latency, compare(slow, bare)) == "not measured; add --latency"
    other = compare(slow, fast, cpu="another")
    assert reason(latency, other) == "the baseline is of another CPU (a quick one)"
    seeded = compare(replace(bare, seed=7), bare)
    assert reason(error, seeded) == "the baseline is of other inputs (2 samples, seed 7)"
    assert reason(error, compare(verdict_with(), bare)) == "the baseline has no such row"
    other_attacks = compare(replace(bare, asked_sha256="ab"), replace(bare, asked_sha256="cd"))
    assert reason(error, other_attacks) == "the baseline is of other pictures, attacks or marks"
    assert compare(bare, replace(bare, asked_sha256="cd"))[error].passed  # of an older chunkport
    lost = replace(bare, checks=(skipped("error", "words", "no pictures"),))
    assert reason(error, compare(bare, lost)) == "the row without 'baseline_' has no value now"
    equal = compare(verdict_with(psnr_db=float("inf")), verdict_with(psnr_db=70))
    assert reason("baseline_psnr_db", equal) == "the baseline's value was not finite"


@pytest.mark.parametrize(
    "change", [{"precision": "fp16"}, {"variant": "plain"}, {"options": {}}, {"model": "other"}]
)
def test_a_file_of_another_kind_is_not_compared(
    compare: Callable[..., dict[str, Check]], change: dict[str, Any]
) -> None:
    (row,) = compare(replace(verdict_with(error=0.1), **change), verdict_with(error=0.1)).values()
    assert (row.name, row.passed) == ("baseline", None)
    assert (row.reason or "").startswith("it does not; it holds ")


def test_rows_are_added_to_the_verdict_and_can_fail_it(tmp_path: Path) -> None:
    earlier = replace(verdict_with(error=0.1), latency_p50_ms=5.0)
    baseline = read_baseline(written(tmp_path / "earlier.json", earlier))
    now = verdict_with(error=0.4)
    (compared,) = with_regressions([now], baseline, 1.5, CPU)
    assert now.passed
    assert not compared.passed
    assert [check.name for check in compared.checks] == [
        "error",
        "baseline_size_bytes",
        "baseline_latency_p50_ms",
        "baseline_error",
    ]
    assert latency_bounds([now], baseline, 1.5) == {now.path: 7.5}
    assert latency_bounds([now], None, 1.5) == {}


def test_two_files_of_one_kind_cannot_be_told_apart(tmp_path: Path) -> None:
    path = written(tmp_path / "twice.json", verdict_with(), verdict_with())
    with pytest.raises(BadInputError, match="several files of gan-generator fp32"):
        read_baseline(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        pytest.param("[" * 100_000, "not JSON", id="nested"),
        ("[]", "'command' is not 'verify'"),
        ('{"command": "benchmark", "schema_version": 1}', "'command' is not 'verify'"),
        ('{"command": "verify", "schema_version": 2}', "'schema_version' is 2, expected 1"),
        ('{"command": "verify", "schema_version": 1}', "'files' is not a list with entries"),
        (
            '{"command": "verify", "schema_version": 1, "files": [3]}',
            r"files\[0\] is not an object",
        ),
    ],
)
def test_what_is_no_verdict_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(content)
    with pytest.raises(BadInputError, match=message):
        read_baseline(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("size_bytes", "big"),
        ("size_bytes", True),
        pytest.param("size_bytes", 10**400, id="size_bytes-beyond-floats"),
        pytest.param("checks", [{"name": "error", "value": 10**400}], id="value-beyond-floats"),
        ("model", None),
        ("checks", {}),
        ("checks", [{"name": 3}]),
        ("checks", [{"name": "error", "value": "0.1"}]),
        ("options", []),
        ("latency_p50_ms", -1),
        ("samples", 0.5),
    ],
)
def test_a_value_that_cannot_be_is_named(tmp_path: Path, key: str, value: object) -> None:
    path = written(tmp_path / "damaged.json", verdict_with(error=0.1))
    document = json.loads(path.read_text())
    document["files"][0][key] = value
    path.write_text(json.dumps(document))
    with pytest.raises(BadInputError, match=rf"files\[0\]\.{key}"):
        read_baseline(path)


def test_a_missing_baseline_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"absent\.json: cannot be read"):
        read_baseline(tmp_path / "absent.json")
