"""When a training run saves what, and which of its checkpoints is called the best."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

from checkpoints.layout import SUFFIXES, Container
from checkpoints.model_facts import ModelFacts, current_versions
from checkpoints.model_folder import ModelFolder, SaveAs
from checkpoints.retention import KeepBest, Mode, Ranking
from checkpoints.run_config import config_hash
from checkpoints.saving import cap_in_bytes
from chunkport.errors import UsageError
from train.run import Criterion, Run, Shipped


@dataclass(frozen=True)
class Saving:
    """What is saved when.

    Attributes:
        max_chunk_mb: the largest file, in MiB.
        every_epochs: between the checkpoints that stay for good.
        every_steps: between those within epochs; None for none.
        keep_top_k: how many of the latter stay: the best, or where the metric is one that only an
            evaluation after the epoch gives, the newest.
        metric: the name of one of the run's criteria; None for the first of them.
        mode: whether more or less of it is better; None for its own.
        background: write while training goes on.
        container: the form of the files and the end of their names, "pth" or "safetensors".
        stats_every_steps: between the lines of `stats.jsonl` within epochs; None for none.
    """

    max_chunk_mb: float = 90
    every_epochs: int = 10
    every_steps: int | None = None
    keep_top_k: int = 3
    metric: str | None = None
    mode: Mode | None = None
    background: bool = False
    container: Container = "pth"
    stats_every_steps: int | None = None

    def __post_init__(self) -> None:
        for name in ("every_epochs", "every_steps", "keep_top_k", "stats_every_steps"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name}: is {value}; give at least 1")
        cap_in_bytes(self.max_chunk_mb)  # which refuses one that no save could keep

    @property
    def suffix(self) -> str:
        """How the checkpoints' names end."""
        return SUFFIXES[self.container]

    def ranking(self, criteria: Mapping[str, Criterion]) -> Ranking:
        """How a run that has these criteria compares its checkpoints.

        Raises:
            UsageError: the metric is none of them, or its mode would make the worst the best.
        """
        name = next(iter(criteria)) if self.metric is None else self.metric
        if name not in criteria:
            raise UsageError(f"metric: unknown {name!r}; choose one of {', '.join(criteria)}")
        criterion = criteria[name]
        mode = self.mode or criterion.mode
        if criterion.distance and mode != criterion.mode:
            raise UsageError(
                f"mode: {mode!r} of a distance makes the worst the best; choose {criterion.mode!r}"
            )
        return Ranking(criterion.metric, mode)


class RunCheckpoints(Generic[Shipped]):
    """The run's `models/` folder: latest, best, final, every so many epochs and steps.

    Only the first of several processes opens it.
    """

    def __init__(
        self, folder: Path, saving: Saving, run: Run[Shipped], announce: Callable[[str], None]
    ) -> None:
        """Open the folder for a run that goes on from its progress.

        Raises:
            UsageError: the folder cannot serve, or the task has no such metric.
        """
        self._saving = saving
        self._run = run
        self._ranking = saving.ranking(run.criteria)
        self.latest = folder / f"latest_model{saving.suffix}"
        self.final = folder / f"final_{run.name}{saving.suffix}"
        self._best: Mapping[str, float] | None = None
        self._best_name = f"best_model{saving.suffix}"
        if not run.processes.first:
            return
        self._folder = ModelFolder(
            folder,
            ranking=self._ranking,
            policies={"step": [KeepBest(saving.keep_top_k, self._ranking)]},
            max_chunk_mb=saving.max_chunk_mb,
            background=saving.background,
            announce=announce,
        )
        if run.progress.step and (best := self._folder.best(_facts(run))):
            self._best, self._best_name = best.metrics, best.file

    @property
    def best(self) -> Path | None:
        """The best checkpoint of the run so far, if any yet meets the criterion's conditions."""
        return None if self._best is None else self._folder.folder / self._best_name

    def step_is_due(self) -> bool:
        """Whether the step just done is one to save after."""
        every = self._saving.every_steps
        return every is not None and self._run.progress.step % every == 0

    def save_step(self) -> None:
        """Save within an epoch, unless better ones would push it out at once.

        Raises:
            Exception: what this save, or the one before in the background, met.
        """
        facts = _facts(self._run)
        step = self._run.progress.step
        target = SaveAs(f"checkpoint_step_{step}{self._saving.suffix}", "step")
        if self._folder.keeps(target, facts):
            self._folder.save(self._values(self._run.ship()), facts, [target])

    def save_epoch(self, shipped: Shipped) -> None:
        """Save after an epoch under every name that is due.

        Raises:
            Exception: what this save, or the one before in the background, met.
        """
        facts = _facts(self._run)
        epoch, suffix = self._run.progress.epoch, self._saving.suffix
        targets = [SaveAs(self.latest.name, "latest")]
        if self._ranking.improves(facts.metrics, self._best):
            targets.append(SaveAs(f"best_model{suffix}", "best"))
        if epoch % self._saving.every_epochs == 0:
            targets.append(SaveAs(f"checkpoint_epoch_{epoch:03d}{suffix}", "epoch"))
        if epoch == self._run.config.epochs:
            targets.append(SaveAs(self.final.name, "final"))
        self._folder.save(self._values(shipped), facts, targets)
        if best := [target for target in targets if target.kind == "best"]:
            self._best, self._best_name = facts.metrics, best[0].file

    def _values(self, shipped: Shipped) -> dict[str, Any]:
        return {**self._run.progress.as_values(), **self._run.values(shipped)}

    def __enter__(self) -> "RunCheckpoints[Shipped]":
        return self

    def __exit__(self, *error: Any) -> None:
        if self._run.processes.first:
            self._folder.__exit__(*error)


def _facts(run: Run[Shipped]) -> ModelFacts:
    progress = run.progress
    metrics: dict[str, float] = {}
    if progress.epoch_steps:
        metrics = progress.mean_so_far()
        metrics |= run.derive(metrics, progress.epoch + 1)
    elif progress.epoch:
        metrics = progress.last
        metrics |= run.derive(metrics, progress.epoch)
    averages = {f"avg_{key}": metrics[key] for key in run.step_keys if key in metrics}
    plain = run.config.as_dict()
    return ModelFacts(
        epoch=progress.epoch,
        step=progress.step,
        metrics=metrics,
        config=plain,
        config_hash=config_hash(plain, run.may_change),
        details={**run.details, **averages, **run.signs_by_name()},
        versions=current_versions(),
    )
