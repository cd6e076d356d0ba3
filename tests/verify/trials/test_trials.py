"""What every trial shares: it is found by its name, and no row of it is ever left out."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest

from chunkport.errors import UsageError
from verify.trials import PreparedTrial, find_trial
from verify.verdict import Check, Figure, Limits, measured
from wrappers.spec import at_most

if TYPE_CHECKING:
    from verify.runtimes import Session
    from wrappers.spec import Arrays

ROWS = {"first": Figure("one thing"), "second": Figure("another")}
LIMITS = {"first": at_most("first", 1), "second": at_most("second", 1)}


class Broken:
    """A session whose file cannot compute."""

    def input_shapes(self) -> dict[str, tuple[int, ...]]:
        return {}

    def output_shapes(self) -> dict[str, tuple[int, ...]]:
        return {}

    def run(self, inputs: "Arrays") -> "Arrays":
        raise RuntimeError(f"no kernel for {list(inputs)}")


def exam(session: "Session", limits: Limits) -> Iterator[Check]:
    yield measured("first", ROWS["first"], 0.5, limits)
    session.run({"x": np.zeros(1, np.float32)})
    yield measured("second", ROWS["second"], 0.5, limits)


def test_a_file_that_breaks_in_a_trial_fails_all_its_rows() -> None:
    checks = list(PreparedTrial(ROWS, exam).judge(Broken(), LIMITS))
    assert [(check.name, check.passed) for check in checks] == [("first", False), ("second", False)]
    assert checks[0].reason == "the file did not run: no kernel for ['x']"


def test_a_trial_that_cannot_run_leaves_its_rows_with_the_reason() -> None:
    checks = list(PreparedTrial(ROWS, "there is no embedder").judge(Broken(), LIMITS))
    assert [(check.name, check.passed) for check in checks] == [("first", None), ("second", None)]
    assert {check.reason for check in checks} == {"there is no embedder"}
    assert [check.explanation for check in checks] == ["one thing", "another"]


def test_an_unknown_trial_is_named() -> None:
    with pytest.raises(UsageError, match="unknown trial 'taste' in a ModelSpec"):
        find_trial("taste")
