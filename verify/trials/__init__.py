"""Trials: rows of a verdict in the terms of the task, one file of this folder for each.

A metric looks at the outputs of the plain samples. A trial brings samples of its own, such as
marked pictures, and asks of the answers what a user of the model would ask.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from chunkport.errors import UsageError
from verify.verdict import Check, Figure, Limits, skipped, yes_or_no
from wrappers.spec import Contract, ModelSpec

if TYPE_CHECKING:
    from verify.runtimes import Session
    from wrappers.spec import Arrays

Exam: TypeAlias = Callable[["Session", Limits], Iterator[Check]]


@dataclass(frozen=True)
class TrialChoices:
    """What a user may say of trials; each takes what concerns it.

    Attributes:
        attacks: on marked pictures, by name; empty for the trial's own choice.
        marked: pictures that were marked elsewhere.
        message: what these say, as it was typed.
    """

    attacks: tuple[str, ...] = ()
    marked: tuple[Path, ...] = ()
    message: str | None = None


@dataclass(frozen=True)
class Drawn:
    """What the network and a file made of the same inputs of a trial."""

    inputs: "list[Arrays]"
    expected: "list[Arrays]"
    actual: "list[Arrays]"


@dataclass(frozen=True)
class TrialSetting:
    """What a trial is prepared with.

    Attributes:
        spec: the model.
        contract: its inputs and outputs.
        network: as trained, opened from the checkpoint.
        checkpoint: where the network came from, and whatever else the trial needs of it.
        seed: of all that is drawn.
        pictures: the user's own, of --samples-dir.
        choices: what the user said of trials.
        on_note: told what is being done.
        on_drawn: handed the pictures that a trial has a file draw, for them to be shown.
    """

    spec: ModelSpec
    contract: Contract
    network: Any
    checkpoint: Path
    seed: int
    pictures: tuple[Path, ...] = ()
    choices: TrialChoices = TrialChoices()
    on_note: Callable[[str], None] = lambda _note: None
    on_drawn: Callable[[Drawn], None] = lambda _drawn: None


@dataclass(frozen=True)
class Trial:
    """Rows that are judged together.

    Attributes:
        name: as a ModelSpec names it; its file's name with hyphens.
        rows: the user's choices to every row that the trial gives, by name and in order.
        prepare: does the network's side, once for all files of one model and checkpoint; gives
            the exam of a file, or the reason why the trial cannot run.
    """

    name: str
    rows: Callable[[TrialChoices], Mapping[str, Figure]]
    prepare: Callable[[TrialSetting], Exam | str]


@dataclass(frozen=True)
class PreparedTrial:
    """A trial that is ready for files; `exam` is the reason where it cannot run."""

    rows: Mapping[str, Figure]
    exam: Exam | str

    def judge(self, session: "Session", limits: Limits) -> Iterator[Check]:
        """Every row for one file; all fail where it cannot be run on what the trial brings."""
        if isinstance(self.exam, str):
            yield from self.skipped(self.exam)
            return
        try:
            checks = list(self.exam(session, limits))
        except (ValueError, RuntimeError) as error:
            fault = f"the file did not run: {error}"
            checks = [yes_or_no(name, row.explanation, fault) for name, row in self.rows.items()]
        yield from checks

    def skipped(self, reason: str) -> Iterator[Check]:
        """Every row, each with the reason why it is empty."""
        for name, row in self.rows.items():
            yield skipped(name, row.explanation, reason)


def find_trial(name: str) -> Trial:
    """The trial of that name; only its file is imported.

    Raises:
        UsageError: there is none.
    """
    names = [module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__)]
    if name not in names:
        raise UsageError(f"unknown trial '{name}' in a ModelSpec; trials: {', '.join(names)}")
    trial: Trial = importlib.import_module(f"{__name__}.{name.replace('-', '_')}").TRIAL
    return trial


def prepare_trials(setting: TrialSetting) -> tuple[PreparedTrial, ...]:
    """All trials of the model, the network's side done."""
    trials = [find_trial(name) for name in setting.spec.trials]
    return tuple(
        PreparedTrial(trial.rows(setting.choices), trial.prepare(setting)) for trial in trials
    )


def trials_without_network(spec: ModelSpec, reason: str) -> tuple[PreparedTrial, ...]:
    """All trials of the model, none of which can run."""
    return tuple(
        PreparedTrial(find_trial(name).rows(TrialChoices()), reason) for name in spec.trials
    )
