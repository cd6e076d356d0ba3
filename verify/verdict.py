"""What was found about a .tflite: checks with values, limits and margins, and a verdict."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wrappers.spec import Limit


@dataclass(frozen=True)
class Check:
    """One row of a verdict.

    Attributes:
        name: of the check or metric.
        passed: None where it could not run.
        explanation: what it means, in plain words.
        value: what was measured, in the unit that the name ends in; None for yes-or-no checks.
        limit: the bound, None for yes-or-no checks and for metrics without one.
        sense: "at_most" or "at_least", with the limit.
        margin: how far inside the limit; negative outside.
        passing_limit: the strictest limit that would have passed.
        reason: why it failed or could not run.
    """

    name: str
    passed: bool | None
    explanation: str
    value: float | None = None
    limit: float | None = None
    sense: str | None = None
    margin: float | None = None
    passing_limit: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Verdict:
    """All checks of one .tflite."""

    path: Path
    model: str
    precision: str
    size_bytes: int
    sha256: str
    samples: int
    seed: int
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether no check failed; one that could not run does not fail."""
        return all(check.passed is not False for check in self.checks)

    @property
    def complete(self) -> bool:
        """Whether every check could run."""
        return all(check.passed is not None for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """The verdict as plain JSON values."""
        return {**asdict(self), "path": str(self.path), "passed": self.passed}


def yes_or_no(name: str, explanation: str, fault: str | None) -> Check:
    """A check without a number: it passes unless there is a fault to tell."""
    return Check(name, fault is None, explanation, reason=fault)


def skipped(name: str, explanation: str, reason: str) -> Check:
    """A check that could not run; it stands in the table all the same."""
    return Check(name, None, explanation, reason=reason)


def informing(name: str, explanation: str, value: float) -> Check:
    """A value that is told and cannot fail."""
    return Check(name, passed=True, explanation=explanation, value=value)


def against_limit(name: str, explanation: str, value: float, limit: Limit | None) -> Check:
    """A measured value held to a limit; without one it informs and cannot fail."""
    if limit is None:
        return skipped(name, explanation, f"measured {value:.4g}; no limit for this precision")
    return Check(
        name,
        limit.admits(value),
        explanation,
        value=value,
        limit=limit.bound,
        sense=limit.sense,
        margin=limit.margin(value),
        passing_limit=value,
    )
