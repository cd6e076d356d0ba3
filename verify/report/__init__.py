"""What the page of `chunkport report` shows, as values; `page` writes them.

One module for each kind of section; `templates/` holds one file per section.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from verify.report.byte_map import ByteMap
from verify.report.op_list import OpList
from verify.verdict import Check, Verdict

if TYPE_CHECKING:
    from convert.card import Card
    from verify.benchmark.delegation import Delegation
    from verify.benchmark_document import BenchmarkDocument
    from verify.report.audited import Audited
    from verify.report.bit_sheet import BitSheet
    from verify.report.contact_sheet import ContactSheet
    from verify.report.examined import Examined
    from verify.report.lineage import Chain
    from verify.runtime_agreement import Agreement


@dataclass(frozen=True)
class JudgedFile:
    """A .tflite: what the page calls it, what was found, and who it says it is."""

    label: str
    verdict: Verdict
    card: "Card | None"

    @property
    def counts(self) -> str:
        """How many checks passed, could not run and failed, the last by name."""
        checks = self.verdict.checks
        failed = [check.name for check in checks if check.passed is False]
        counted = {
            "passed": sum(check.passed is True for check in checks),
            "not run": sum(check.passed is None for check in checks),
            f"failed: {', '.join(failed)}": len(failed),
        }
        return ", ".join(f"{count} {result}" for result, count in counted.items() if count)

    @property
    def telling(self) -> list[Check]:
        """The checks that say more than that they passed or why not, those that failed first."""
        telling = [check for check in self.verdict.checks if _tells(check)]
        return sorted(telling, key=lambda check: check.passed is not False)

    @property
    def merely_passed(self) -> list[Check]:
        """The checks without a number that passed."""
        return [it for it in self.verdict.checks if it.passed is True and not _tells(it)]

    @property
    def not_run(self) -> dict[str, list[Check]]:
        """The checks that could not run, by the reason, which many may share."""
        skipped: dict[str, list[Check]] = {}
        for check in self.verdict.checks:
            if check.passed is None and not _tells(check):
                skipped.setdefault(check.reason or "", []).append(check)
        return skipped


@dataclass(frozen=True)
class Inside:
    """What a file is made of: where its bytes are, its ops, and who runs them."""

    label: str
    precision: str
    size_bytes: int
    bytes: ByteMap
    ops: OpList
    delegation: "Delegation"


@dataclass(frozen=True)
class CommandLine:
    """A command and what it is for."""

    purpose: str
    line: str


@dataclass(frozen=True)
class Report:
    """All that the page shows.

    Attributes:
        checkpoint: its path, as it was given.
        models: name of each model to its summary.
        files: in the order of the page.
        sheets: pictures that models make, one sheet per model.
        bits: messages that models read.
        agreements: of each file in each runtime, where that was asked for.
        audits: of risks on phone GPUs, of each file that ran, unless left out.
        examined: layer by layer, the files that fail or all.
        insides: of each file that ran.
        chains: from the checkpoint to the files.
        benchmark: None where none was given.
        commands: that make the files and the page again.
    """

    checkpoint: str
    models: Mapping[str, str]
    files: tuple[JudgedFile, ...]
    sheets: "tuple[ContactSheet, ...]" = ()
    bits: "tuple[BitSheet, ...]" = ()
    agreements: "tuple[Agreement, ...]" = ()
    audits: "tuple[Audited, ...]" = ()
    examined: "tuple[Examined, ...]" = ()
    insides: tuple[Inside, ...] = ()
    chains: "tuple[Chain, ...]" = ()
    benchmark: "BenchmarkDocument | None" = None
    commands: tuple[CommandLine, ...] = ()

    @property
    def failed(self) -> tuple[JudgedFile, ...]:
        """The files whose verdict is that, or that another runtime runs otherwise."""
        differing = {row.path for row in self.agreements if row.agrees is False}
        return tuple(
            file for file in self.files if not file.verdict.passed or file.verdict.path in differing
        )

    @property
    def passed(self) -> bool:
        """Whether every file passed."""
        return not self.failed

    @property
    def headline(self) -> str:
        """The verdict in a word."""
        return "PASS" if self.passed else "FAIL"

    @property
    def conclusion(self) -> str:
        """The verdict in a sentence."""
        failed = [file.label for file in self.failed]
        total = f"{len(self.files)} file{'s' * (len(self.files) > 1)}"
        if failed:
            return f"{len(failed)} of {total} failed: {', '.join(failed)}"
        incomplete = any(not file.verdict.complete for file in self.files) or any(
            row.agrees is None for row in self.agreements
        )
        rest = "; some checks could not run" if incomplete else ""
        agrees = "agrees" if len(self.files) == 1 else "agree"
        return f"{len(self.files)} of {total} {agrees} with PyTorch within the limits{rest}"


def labels_of(paths: Sequence[Path]) -> list[str]:
    """What to call each file: its name, or its path where two share a name."""
    names = [path.name for path in paths]
    return [
        name if names.count(name) == 1 else str(path)
        for path, name in zip(paths, names, strict=True)
    ]


def _tells(check: Check) -> bool:
    return check.passed is False or check.value is not None
