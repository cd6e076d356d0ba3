"""What an audit found, as values: findings, and which parts of the audit could run."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from verify.verdict import Check

Severity = Literal["blocks", "wrong", "slow"]
SEVERITIES: tuple[Severity, ...] = ("blocks", "wrong", "slow")
NO_REWRITE = "none known"


@dataclass(frozen=True)
class Finding:
    """One risk at one op.

    Attributes:
        kind: the rule or measurement that found it.
        severity: "blocks" keeps the GPU from taking the op, "wrong" makes wrong numbers likely,
            "slow" costs time only.
        op: its place and kind, such as "#12 MEAN"; empty for a finding about the whole file.
        tensor: what it computes or takes, by its name in the file.
        module: the wrapper's module that the op came from; None where the file does not say.
        explanation: what happens, in plain words.
        rewrite: the exact rewrite that avoids it.
        value: what was measured.
        limit: what the value is held to.
        sample: the input on which it was measured, counted from 0.
    """

    kind: str
    severity: Severity
    op: str
    tensor: str
    module: str | None
    explanation: str
    rewrite: str = NO_REWRITE
    value: float | None = None
    limit: float | None = None
    sample: int | None = None


@dataclass(frozen=True)
class Part:
    """One part of an audit.

    Attributes:
        name: of the part.
        ran: whether it could.
        note: what it covers and what came of it, or why it could not run.
    """

    name: str
    ran: bool
    note: str


@dataclass(frozen=True)
class FindingGroup:
    """The findings of one kind at ops of one kind, told by the worst of them."""

    worst: Finding
    count: int


@dataclass(frozen=True)
class RiskAudit:
    """All that an audit found about one file.

    Attributes:
        path: the file.
        inputs: where the inputs came from, in plain words.
        samples: how many there were.
        findings: the worst kinds first.
        parts: what ran and what could not.
        float16: what the outputs in float16 are worth, in the terms of the task, by where they
            were computed.
    """

    path: Path
    inputs: str
    samples: int
    findings: tuple[Finding, ...]
    parts: tuple[Part, ...]
    float16: dict[str, tuple[Check, ...]]

    @property
    def passed(self) -> bool:
        """Whether nothing blocks the GPU and no wrong numbers are likely."""
        return all(finding.severity == "slow" for finding in self.findings)

    @property
    def complete(self) -> bool:
        """Whether every part could run."""
        return all(part.ran for part in self.parts)

    def to_json(self) -> dict[str, Any]:
        """The audit as plain JSON values."""
        return {**asdict(self), "path": str(self.path), "passed": self.passed}


def grouped(findings: Sequence[Finding]) -> list[FindingGroup]:
    """Findings of one kind at ops of one kind together, the most severe first."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.kind, finding.op.rpartition(" ")[2]), []).append(finding)
    made = [FindingGroup(max(group, key=_excess), len(group)) for group in groups.values()]
    return sorted(made, key=lambda group: SEVERITIES.index(group.worst.severity))


def _excess(finding: Finding) -> float:
    """How far a measured value is beyond its limit, as a ratio."""
    if finding.value is None or not finding.limit:
        return 0.0
    return finding.value / finding.limit
