"""What was found about a .tflite: checks with values, limits and margins, and a verdict."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from verify.message_statistics import Interval
from wrappers.spec import Limit, Sense

Limits: TypeAlias = Mapping[str, Limit]


@dataclass(frozen=True)
class Figure:
    """What a row measures.

    Attributes:
        explanation: one line of plain words.
        sense: of its limit: "at_most" where less is better.
        informs: why a verdict does not hold it to a limit, where none was asked for; None where
            every precision must have one.
    """

    explanation: str
    sense: Sense = "at_most"
    informs: str | None = None


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
        reason: why it failed, could not run, or is held to no limit.
        worst: which sample came out worst, and at what.
        limit_by_hand: whether the user set the limit, and not the model's spec.
        detail: what else is to be known of the value, in words.
        interval: where the value lies, if the samples are taken for some of all there are.
    """

    name: str
    passed: bool | None
    explanation: str
    value: float | None = None
    limit: float | None = None
    sense: Sense | None = None
    margin: float | None = None
    passing_limit: float | None = None
    reason: str | None = None
    worst: str | None = None
    limit_by_hand: bool = False
    detail: str | None = None
    interval: Interval | None = None

    @property
    def informs(self) -> bool:
        """Whether it tells a value that is held to nothing."""
        return self.passed is True and self.value is not None and self.limit is None


@dataclass(frozen=True)
class Verdict:
    """All checks of one .tflite.

    Attributes:
        variant: "rewritten" or "plain", as its card says; None without a card.
        options: how the model was built, as its card says.
        latency_p50_ms: the median of its runs; None where it was not measured.
        asked_sha256: of what it was asked, as `Reference` has it.
    """

    path: Path
    model: str
    precision: str
    size_bytes: int
    sha256: str
    samples: int
    seed: int
    checks: tuple[Check, ...]
    variant: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    latency_p50_ms: float | None = None
    asked_sha256: str | None = None

    @property
    def passed(self) -> bool:
        """Whether no check failed; one that could not run does not fail."""
        return all(check.passed is not False for check in self.checks)

    @property
    def complete(self) -> bool:
        """Whether every check could run."""
        return all(check.passed is not None for check in self.checks)

    @property
    def ran(self) -> bool:
        """Whether the file computes at all."""
        return any(check.name == "runs" and check.passed for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """The verdict as plain JSON values."""
        return {**asdict(self), "path": str(self.path), "passed": self.passed}


def yes_or_no(name: str, explanation: str, fault: str | None) -> Check:
    """A check without a number: it passes unless there is a fault to tell."""
    return Check(name, fault is None, explanation, reason=fault)


def skipped(name: str, explanation: str, reason: str) -> Check:
    """A check that could not run; it stands in the table all the same."""
    return Check(name, None, explanation, reason=reason)


def measured(
    name: str, figure: Figure, value: float, limits: Limits, worst: str | None = None
) -> Check:
    """A measured value, held to its limit if it has one.

    Without one it informs and cannot fail, where that is meant so; else the row is as good as
    skipped, and says so.
    """
    limit = limits.get(name)
    if limit is not None:
        return against_limit(name, figure.explanation, value, limit, worst)
    if figure.informs is None:
        reason = (
            f"measured {value:.4g}; no limit for this precision: state one in the model's spec, or "
            f"with --limit {name}=..."
        )
        return Check(name, None, figure.explanation, value=value, reason=reason, worst=worst)
    return Check(
        name,
        passed=True,
        explanation=figure.explanation,
        value=value,
        reason=figure.informs,
        worst=worst,
    )


def against_limit(
    name: str, explanation: str, value: float, limit: Limit, worst: str | None = None
) -> Check:
    """A measured value held to a limit."""
    return Check(
        name,
        limit.admits(value),
        explanation,
        value=value,
        limit=limit.bound,
        sense=limit.sense,
        margin=limit.margin(value),
        passing_limit=value,
        worst=worst,
        limit_by_hand=limit.by_hand,
    )
