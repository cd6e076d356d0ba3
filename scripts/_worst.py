"""How `verify` leaves the pictures that came out worst."""

from pathlib import Path
from typing import TYPE_CHECKING

from chunkport.errors import UsageError
from scripts._output import Output

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from verify.reference import Reference
    from verify.subject import Subject
    from verify.trials import Drawn
    from wrappers.spec import ModelSpec


def refuse_sheets(folder: Path, subjects: "Sequence[Subject]") -> None:
    """Refuse to replace sheets before the long work, not after it.

    Raises:
        UsageError: one is there already.
    """
    from wrappers.registry import find_spec

    kinds = dict.fromkeys((subject.model, subject.options) for subject in subjects)
    for number, kind in enumerate(kinds):
        target = _target(folder, find_spec(*kind), number)
        if target.exists():
            raise UsageError(f"{target}: already there; add --force to replace")


def _target(folder: Path, spec: "ModelSpec", number: int) -> Path:
    return folder / f"{spec.file_stem}_worst{f'_{number}' if number else ''}.png"


class DrawnPictures:
    """What files draw for a trial while they are judged, one file after the other."""

    def __init__(self) -> None:
        self._unnamed: list[Drawn] = []
        self._files: list[tuple[Reference, Subject, Drawn]] = []

    def keep(self, drawn: "Drawn") -> None:
        """Of the file that is being judged."""
        self._unnamed.append(drawn)

    def name(self, subject: "Subject", reference: "Reference") -> None:
        """Say which file that was, and what it was compared with."""
        self._files += [(reference, subject, drawn) for drawn in self._unnamed]
        self._unnamed.clear()

    def write_worst(
        self, output: Output, folder: Path | None, references: "Collection[Reference]"
    ) -> None:
        """One sheet into the folder, if it was asked for, for each model; `worst` in the JSON."""
        from verify.report.candidate import Candidate
        from verify.report.contact_sheet import make_contact_sheet
        from verify.sheet_picture import write_sheet

        if folder is None:
            return
        written = []
        for number, reference in enumerate(references):
            spec = reference.spec
            files = [(it, drawn) for known, it, drawn in self._files if known is reference]
            if not files:
                output.warn(f"no worst pictures of {spec.name}: none of its files drew any")
                continue
            candidates = [
                Candidate(it.path.name, it.precision, drawn.actual, it.path) for it, drawn in files
            ]
            sheet = make_contact_sheet(reference.judged_by(files[0][1]), candidates)
            target = _target(folder, spec, number)
            write_sheet(sheet, target)
            written.append(str(target))
        said = f"Worst pictures: {', '.join(written)}" if written else None
        output.fact("worst", written, said)
