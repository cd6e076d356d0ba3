"""What makes a verdict, and what its rows say about margins."""

import json
import math
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from verify.verdict import (
    Check,
    Figure,
    Verdict,
    against_limit,
    measured,
    skipped,
    yes_or_no,
)
from wrappers.spec import Limit, at_least, at_most


def verdict_of(*checks: Check) -> Verdict:
    return Verdict(
        path=Path("a.tflite"),
        model="gan-generator",
        precision="fp32",
        size_bytes=10,
        sha256="ab",
        samples=2,
        seed=0,
        checks=checks,
    )


PASSING = yes_or_no("loads", "opens", None)
FAILING = yes_or_no("loads", "opens", "it does not")
SKIPPED = skipped("runs", "computes", "it did not load")


@pytest.mark.parametrize(
    ("checks", "passed", "complete"),
    [
        ((PASSING,), True, True),
        ((PASSING, SKIPPED), True, False),
        ((PASSING, FAILING), False, True),
        ((FAILING, SKIPPED), False, False),
    ],
)
def test_one_failure_fails_and_one_gap_makes_incomplete(
    checks: tuple[Check, ...], passed: bool, complete: bool
) -> None:
    verdict = verdict_of(*checks)
    assert (verdict.passed, verdict.complete) == (passed, complete)
    assert verdict.to_json()["passed"] is passed


@pytest.mark.parametrize(
    ("limit", "value", "passed", "margin"),
    [
        (at_most("error", 0.5), 0.125, True, 0.375),
        (at_most("error", 0.5), 0.75, False, -0.25),
        (at_least("psnr_db", 40), 30.0, False, -10),
        (at_least("psnr_db", 40), math.inf, True, math.inf),
    ],
)
def test_a_measured_row_tells_limit_margin_and_what_would_have_passed(
    limit: Limit, value: float, passed: bool, margin: float
) -> None:
    check = against_limit(limit.metric, "in plain words", value, limit)
    assert (check.passed, check.value, check.margin) == (passed, value, margin)
    assert (check.limit, check.sense) == (limit.bound, limit.sense)
    assert check.passing_limit is not None
    assert Limit(limit.metric, check.passing_limit, limit.sense).admits(value)


def test_nan_fails_its_limit() -> None:
    assert against_limit("error", "", math.nan, at_most("error", 0.5)).passed is False


def test_without_a_limit_the_value_is_told_but_cannot_fail() -> None:
    check = measured("error", Figure("in plain words"), 0.75, {})
    assert (check.passed, check.value) == (None, 0.75)
    assert check.reason == (
        "measured 0.75; no limit for this precision: state one in the model's spec, or with "
        f"--limit {check.name}=..."
    )


def test_what_only_informs_says_why_and_takes_a_limit_that_a_user_sets() -> None:
    figure = Figure("bits read otherwise", informs="of no consequence near 0")
    check = measured("flipped", figure, 3, {}, "sample 2: 3")
    assert (check.passed, check.value, check.limit) == (True, 3, None)
    assert check.informs
    assert (check.reason, check.worst) == ("of no consequence near 0", "sample 2: 3")
    held = measured("flipped", figure, 3, {"flipped": Limit("flipped", 2, "at_most", by_hand=True)})
    assert (held.passed, held.margin, held.limit_by_hand) == (False, -1, True)
    assert not held.informs


def test_the_json_holds_every_row_whole() -> None:
    document = json.loads(json.dumps(verdict_of(PASSING, FAILING, SKIPPED).to_json()))
    assert document["path"] == "a.tflite"
    assert [row["passed"] for row in document["checks"]] == [True, False, None]
    assert document["checks"][1]["reason"] == "it does not"
    assert document["checks"][2]["reason"] == "it did not load"


def test_the_schema_describes_every_key_of_a_verdict() -> None:
    schema = json.loads((files("verify") / "verdict.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    verdict = verdict_of(PASSING, FAILING, SKIPPED)
    row = against_limit("error", "words", 0.75, at_most("error", 0.5), "sample 3: 0.75")
    verdict = replace(verdict, sha256="ab" * 32, checks=(*verdict.checks, row))
    document = {"schema_version": 1, "command": "verify", "passed": False}
    whole = json.loads(json.dumps({**document, "files": [verdict.to_json()]}))
    Draft202012Validator(schema).validate(whole)
    (file,) = whole["files"]
    assert set(file) == set(schema["$defs"]["file"]["properties"])
    assert set(file["checks"][0]) == set(schema["$defs"]["check"]["properties"])
