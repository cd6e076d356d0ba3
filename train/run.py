"""What a task brings to be trained: its networks and steps, and how its results are judged."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import nn

from checkpoints.inference_folder import InferenceModel
from checkpoints.retention import Mode
from train.curves import Panel
from train.processes import ALONE, Processes
from train.progress import Progress
from train.signs import History, Sign

Shipped = TypeVar("Shipped")
"""What a task ships: its network or networks for use, such as running averages."""


class Examples(Protocol):
    """What a run trains on: a tensor of images, or images with their labels."""

    @property
    def device(self) -> torch.device:
        """Where they are."""

    def __len__(self) -> int: ...

    def __getitem__(self, chosen: torch.Tensor, /) -> Any: ...

    def to(self, device: str, /) -> "Examples":
        """The same on another device."""


class RunConfig(Protocol):
    """What every run is told, and a task's own settings beside it. A frozen dataclass fits."""

    @property
    def epochs(self) -> int:
        """Passes over the images, in all."""

    @property
    def batch_size(self) -> int:
        """Images per step."""

    @property
    def seed(self) -> int:
        """Of everything that is drawn at random."""

    @property
    def sample_every(self) -> int:
        """Epochs between sample pictures; the first and the last have one anyway."""

    def as_dict(self) -> dict[str, Any]:
        """The config as plain values, as a checkpoint holds it."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "RunConfig":
        """The config that `as_dict` gave; BadInputError for anything else."""


@dataclass(frozen=True)
class Criterion:
    """What makes one checkpoint better than another: a metric, and which way is better.

    `distance` says that the metric is the distance from a goal, so that more is never better.
    """

    metric: str
    mode: Mode
    distance: bool = False


def _derive_nothing(_figures: Mapping[str, float], _epoch: int) -> Mapping[str, float]:
    """The further metrics of a task that has none."""
    return {}


@dataclass(frozen=True)
class Run(Generic[Shipped]):
    """One training run of a task, as values and functions; `train.loop.train` trains it.

    What `step` draws at random is seeded by the epoch, and what is drawn after an epoch alike each
    time; a save draws nothing from either. So a resumed run draws the same.

    Attributes:
        name: of the task; the last checkpoint is called `final_<name>`.
        config: what the run was told.
        may_change: the names in it of what a resume may change.
        progress: how far the run has come; its history has all `step_keys` and
            `evaluation_keys`, and entries of before where the run goes on.
        networks: those that are trained; they are in training mode at the start of an epoch, and
            their weights must stay finite.
        step: trains on one batch of the examples, on `device`, such as images (N, C, H, W)
            uint8, or on this process's share of it, and returns what all measured, by key.
        step_keys: the keys of what `step` returns.
        losses: those of them that must stay finite.
        ship: makes what is saved for use and shown in samples.
        values: all that a checkpoint holds of the networks and optimisers, enough for `restore`.
        restore: puts networks and optimisers back to what `values` gave. It may raise KeyError
            where something is missing and RuntimeError where it does not fit.
        criteria: by name, the first of them the one that counts unless another is asked for.
        derive: more metrics for the criteria, from the means of an epoch, or of its steps so far,
            and its number; it leaves out what does not count then.
        evaluate: measures what is shipped after each epoch. What it returns goes into the history
            and the metrics; of checkpoints within epochs there is none. NaN is not measured.
        evaluation_keys: the keys of what `evaluate` returns; a resumed history may lack them.
        signs: those of success and failure that stand after the history's last epoch.
        write_sample: draws what is shipped into a PNG.
        panels: how the history is drawn; without any there are no curves.
        rates: the learning rates now, by name.
        details: what else the checkpoints' metadata tell, plain values by name.
        inference_model: what an inference folder is made of, read from a checkpoint.
        device: PyTorch's name of where the networks are.
        processes: those that train the run together.
    """

    name: str
    config: RunConfig
    may_change: frozenset[str]
    progress: Progress
    networks: tuple[nn.Module, ...]
    step: Callable[[Any], Mapping[str, float]]
    step_keys: tuple[str, ...]
    losses: tuple[str, ...]
    ship: Callable[[], Shipped]
    values: Callable[[Shipped], Mapping[str, Any]]
    restore: Callable[[Mapping[str, Any]], None]
    criteria: Mapping[str, Criterion]
    derive: Callable[[Mapping[str, float], int], Mapping[str, float]] = _derive_nothing
    evaluate: Callable[[Shipped], Mapping[str, float]] | None = None
    evaluation_keys: tuple[str, ...] = ()
    signs: Callable[[History], tuple[Sign, ...]] | None = None
    write_sample: Callable[[Shipped, Path], None] | None = None
    panels: tuple[Panel, ...] = ()
    rates: Callable[[], Mapping[str, float]] = dict
    details: Mapping[str, Any] = field(default_factory=dict)
    inference_model: Callable[[Path], InferenceModel] | None = None
    device: str = "cpu"
    processes: Processes = ALONE

    def standing_signs(self) -> tuple[Sign, ...]:
        """Those after the last epoch; none where the task knows of no signs."""
        return () if self.signs is None else self.signs(self.progress.history)

    def signs_by_name(self) -> dict[str, list[str]]:
        """The same under `signs`, for files; nothing where the task knows of none."""
        return (
            {} if self.signs is None else {"signs": [sign.name for sign in self.standing_signs()]}
        )
