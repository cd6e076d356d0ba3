"""Files layer by layer: where each departs from the network first."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chunkport.errors import ChunkportError
from verify.layers.diagnose import diagnose, float_file_among, worst_sample
from verify.layers.diagnosis import Diagnosis

if TYPE_CHECKING:
    from verify.reference import Reference
    from verify.report.candidate import Candidate
    from verify.subject import Subject


@dataclass(frozen=True)
class Examined:
    """A file layer by layer; without a diagnosis it says why in `reason`."""

    label: str
    diagnosis: Diagnosis | None
    reason: str | None = None


def examine(
    candidates: "Sequence[Candidate]",
    reference: "Reference",
    subjects: "Sequence[Subject]",
    checkpoint: Path,
    *,
    threads: int,
    on_step: Callable[[str], None],
) -> Iterator[Examined]:
    """Find where each file departs, on the sample on which it is furthest from the network.

    Args:
        candidates: the files.
        reference: the network's answers.
        subjects: all files at hand, among them perhaps the float32 one.
        checkpoint: what they are of.
        threads: of the runtime.
        on_step: told what is about to be done.
    """
    by_path = {subject.path: subject for subject in subjects}
    for candidate in candidates:
        on_step(f"layers of {candidate.label}")
        subject = by_path[candidate.path]
        number = worst_sample(reference.outputs, candidate.outputs)
        try:
            found = diagnose(
                subject,
                checkpoint,
                reference.inputs[number],
                number=number,
                float_file=float_file_among(subjects, subject),
                threads=threads,
            )
        except ChunkportError as error:
            yield Examined(candidate.label, None, str(error))
        else:
            yield Examined(candidate.label, found)
