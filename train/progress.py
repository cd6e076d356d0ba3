"""How far a training run has come: its history, and the steps of the epoch that is under way."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


def mean_of(steps: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The means over some steps, of which there must be one, by key."""
    return {key: math.fsum(step[key] for step in steps) / len(steps) for key in steps[0]}


@dataclass
class Progress:
    """What every run carries from one step to the next, whatever it trains.

    Attributes:
        history: one number per epoch under each of the run's keys; its length is the number of
            epochs behind the run.
        step: training steps behind it, over all epochs.
        epoch_steps: what was measured at those of the epoch that is under way, by key.
        random_state: PyTorch's random states after the last of them; None before the first.
        epoch_images: how many images that epoch goes over; None before the first step, and where a
            checkpoint does not say.
    """

    history: dict[str, list[float]]
    step: int = 0
    epoch_steps: list[Mapping[str, float]] = field(default_factory=list)
    random_state: dict[str, Any] | None = None
    epoch_images: int | None = None

    @classmethod
    def before_the_first_step(cls, keys: Iterable[str]) -> "Progress":
        """Of a new run whose history has these keys."""
        return cls({key: [] for key in keys})

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return len(next(iter(self.history.values())))

    @property
    def last(self) -> dict[str, float]:
        """The history's entries of the last epoch, of which there must be one."""
        return {key: values[-1] for key, values in self.history.items()}

    def mean_so_far(self) -> dict[str, float]:
        """The means over the steps of the epoch under way, of which there must be one."""
        return mean_of(self.epoch_steps)

    def end_epoch(self) -> None:
        """Enter the means of the epoch's steps into the history, and begin the next one."""
        self.enter(self.mean_so_far())
        self.epoch_steps = []

    def enter(self, figures: Mapping[str, float]) -> None:
        """Enter what was measured of the last epoch into the history."""
        for key, value in figures.items():
            self.history[key].append(value)

    def as_values(self) -> dict[str, Any]:
        """As a checkpoint holds it, but for the step, which is one of a checkpoint's facts."""
        keys = self.epoch_steps[0] if self.epoch_steps else ()
        return {
            "history": {key: list(values) for key, values in self.history.items()},
            "epoch_steps": {key: [step[key] for step in self.epoch_steps] for key in keys},
            "random_state": self.random_state,
            "epoch_images": self.epoch_images,
        }

    def restore(self, values: Mapping[str, Any], optional: Collection[str] = ()) -> tuple[str, ...]:
        """Go on from what a checkpoint holds, under the same keys; those that it lacks.

        It may lack `optional` ones: nothing was measured there in the epochs before.

        Raises:
            KeyError: a value or another key is missing.
        """
        before: Mapping[str, list[float]] = values["history"]
        missing = tuple(key for key in self.history if key in optional and key not in before)
        unknown = dict.fromkeys(missing, [math.nan] * max(map(len, before.values()), default=0))
        self.history = {key: [float(v) for v in {**before, **unknown}[key]] for key in self.history}
        self.step = int(values["global_step"])
        columns: Mapping[str, list[float]] = values["epoch_steps"]
        rows = zip(*columns.values(), strict=True)
        self.epoch_steps = [dict(zip(columns, row, strict=True)) for row in rows]
        self.random_state = values["random_state"]
        self.epoch_images = values.get("epoch_images")
        return missing
