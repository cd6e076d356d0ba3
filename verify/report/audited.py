"""Risks of files on phone GPUs."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chunkport.errors import ChunkportError
from verify.risks.audit import audit_file
from verify.risks.findings import RiskAudit

if TYPE_CHECKING:
    from verify.report.candidate import Candidate
    from verify.subject import Subject


@dataclass(frozen=True)
class Audited:
    """A file's risks on phone GPUs; without an audit it says why in `reason`."""

    label: str
    audit: RiskAudit | None
    reason: str | None = None


def audit(
    candidates: "Sequence[Candidate]",
    subjects: "Sequence[Subject]",
    checkpoint: Path,
    *,
    seed: int,
    on_step: Callable[[str], None],
) -> Iterator[Audited]:
    """Look for what a phone's GPU refuses or gets wrong.

    Args:
        candidates: the files, all of which run.
        subjects: what they are, among others.
        checkpoint: what they are of.
        seed: of the samples.
        on_step: told what is about to be done.
    """
    models = {subject.path: subject.model for subject in subjects}
    for candidate in candidates:
        on_step(f"risks of {candidate.label}")
        model = models[candidate.path]
        try:
            found = audit_file(candidate.path, model=model, checkpoint=checkpoint, seed=seed)
        except ChunkportError as error:
            yield Audited(candidate.label, None, str(error))
        else:
            yield Audited(candidate.label, found)
