"""What the page of a training run shows, as values; `training_page` writes them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from verify.report import CommandLine
from verify.report.pictures import Picture
from verify.report.plots import Plot

State = Literal["running", "done", "interrupted", "failed"]


@dataclass(frozen=True)
class StandingSign:
    """A sign of success or failure that stands now; `remedy` is what to try, if anything."""

    name: str
    good: bool
    sentence: str
    remedy: str


@dataclass(frozen=True)
class Said:
    """Something that the run announced, first after `epoch` whole epochs."""

    text: str
    epoch: int
    warning: bool


@dataclass(frozen=True)
class Sample:
    """A picture drawn after an epoch; `file` is where it lies in full, seen from the page."""

    epoch: int
    picture: Picture
    file: str


@dataclass(frozen=True)
class SavedModel:
    """A checkpoint, and the value of the metric by which they are compared, if it has one."""

    file: str
    kind: str
    epoch: int
    step: int
    value: float | None
    size_bytes: int


@dataclass(frozen=True)
class TrainingPage:
    """All that the page shows.

    Attributes:
        command: that trains.
        folder: it was started in.
        state: whether it goes on.
        reason: why it failed.
        epochs: in all.
        done: how many of them, with the part of the one under way.
        left: how long the rest will take, in words.
        facts: of the last epoch, by name.
        signs: that stand after the last epoch.
        said: by the run, in order.
        plots: of the history.
        samples: in the order of epochs; the last is shown large.
        metric: by which checkpoints are compared.
        best: the file of the best.
        models: the checkpoints that there are.
        commands: to go on with.
        written: when.
        refresh_seconds: after which the page loads itself anew.
    """

    command: str
    folder: str
    state: State
    epochs: int
    done: float
    left: str
    written: str
    refresh_seconds: int
    reason: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    signs: tuple[StandingSign, ...] = ()
    said: tuple[Said, ...] = ()
    plots: tuple[Plot, ...] = ()
    samples: tuple[Sample, ...] = ()
    metric: str | None = None
    best: str | None = None
    models: tuple[SavedModel, ...] = ()
    commands: tuple[CommandLine, ...] = ()

    @property
    def percent(self) -> int:
        """How much of it is done; 100 only of all."""
        return int(100 * self.done / self.epochs)

    @property
    def headline(self) -> str:
        """How it stands, in a word."""
        words = {"done": "Done", "interrupted": "Stopped", "failed": "Failed"}
        return words.get(self.state, f"{self.percent}%")

    @property
    def conclusion(self) -> str:
        """How it stands, in a sentence."""
        whole = int(self.done)
        if self.state == "done":
            return f"All {self.epochs} epochs are trained"
        if self.state == "running":
            return f"Epoch {min(whole + 1, self.epochs)} of {self.epochs}, {self.left}"
        after = f"after {whole} of {self.epochs} epochs"
        return f"Interrupted {after}" if self.state == "interrupted" else f"Broke off {after}"
