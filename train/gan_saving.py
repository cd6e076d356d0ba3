"""When a GAN training run saves what, and which of its checkpoints is called the best."""

from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from checkpoints.layout import SUFFIXES, Container
from checkpoints.model_facts import ModelFacts, current_versions
from checkpoints.model_folder import ModelFolder, SaveAs
from checkpoints.retention import KeepBest, Mode, Ranking
from checkpoints.run_config import config_hash
from checkpoints.saving import cap_in_bytes
from chunkport.errors import UsageError
from networks.gan import Generator
from train.gan_checkpoint import state_values
from train.gan_config import MAY_CHANGE, GanConfig
from train.gan_state import HISTORY_KEYS, GanState, StepReport, mean_report

_WARM_UP = 0.1
_LEAST_MARGIN = 0.05


@dataclass(frozen=True)
class Criterion:
    """What makes one checkpoint better than another: a metric, and which way is better."""

    metric: str
    mode: Mode


CRITERIA = {
    "d-fake": Criterion("D_fake_distance", "min"),
    "d-loss": Criterion("D_loss", "max"),
    "g-loss": Criterion("G_loss", "min"),
}
"""By name. All of them look at the discriminator, none at the pictures: they tell a run that has
gone astray from one that has not, and say little about which of two good generators is better.

`d-fake` is the distance of D(fake) from 0.5, at which the discriminator can only guess. An
untrained one guesses too, so it counts only after a tenth of the epochs and while D(real) is above
D(fake) by 0.05. The losses are the epoch's means as they are.
"""


@dataclass(frozen=True)
class Saving:
    """What is saved when.

    Attributes:
        max_chunk_mb: the largest file, in MiB.
        every_epochs: between the checkpoints that stay for good.
        every_steps: between those within epochs; None for none.
        keep_top_k: how many of the latter stay, the best of them.
        metric: one of `CRITERIA`.
        mode: whether more or less of it is better; None for its own.
        background: write while training goes on.
        container: the form of the files and the end of their names, "pth" or "safetensors".
    """

    max_chunk_mb: float = 90
    every_epochs: int = 10
    every_steps: int | None = None
    keep_top_k: int = 3
    metric: str = "d-fake"
    mode: Mode | None = None
    background: bool = False
    container: Container = "pth"

    def __post_init__(self) -> None:
        for name in ("every_epochs", "every_steps", "keep_top_k"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name}: is {value}; give at least 1")
        cap_in_bytes(self.max_chunk_mb)  # which refuses one that no save could keep
        if self.metric not in CRITERIA:
            raise UsageError(
                f"metric: unknown {self.metric!r}; choose one of {', '.join(CRITERIA)}"
            )
        if self.metric == "d-fake" and self.mode == "max":
            raise UsageError("mode: 'max' of a distance makes the worst the best; choose 'min'")

    @property
    def suffix(self) -> str:
        """How the checkpoints' names end."""
        return SUFFIXES[self.container]

    @property
    def ranking(self) -> Ranking:
        """How checkpoints are compared."""
        criterion = CRITERIA[self.metric]
        return Ranking(criterion.metric, self.mode or criterion.mode)


class GanCheckpoints:
    """The run's `models/` folder: latest, best, final, every so many epochs and steps."""

    def __init__(
        self, folder: Path, saving: Saving, state: GanState, announce: Callable[[str], None]
    ) -> None:
        """Open the folder for a run that goes on from `state`.

        Raises:
            UsageError: the folder cannot serve.
        """
        self._saving = saving
        self._folder = ModelFolder(
            folder,
            ranking=saving.ranking,
            policies={"step": [KeepBest(saving.keep_top_k, saving.ranking)]},
            max_chunk_mb=saving.max_chunk_mb,
            background=saving.background,
            announce=announce,
        )
        self.latest = folder / f"latest_model{saving.suffix}"
        self.final = folder / f"final_gan{saving.suffix}"
        best = self._folder.best(_facts(state)) if state.step else None
        self._best: Mapping[str, float] | None = best.metrics if best else None
        self._best_name = best.file if best else f"best_model{saving.suffix}"

    @property
    def best(self) -> Path | None:
        """The best checkpoint of the run so far, if any yet meets the criterion's conditions."""
        return None if self._best is None else self._folder.folder / self._best_name

    def step_is_due(self, state: GanState) -> bool:
        """Whether the step just done is one to save after."""
        every = self._saving.every_steps
        return every is not None and state.step % every == 0

    def save_step(self, state: GanState, shipped: Generator) -> None:
        """Save within an epoch, unless better ones would push it out at once.

        Raises:
            Exception: what this save, or the one before in the background, met.
        """
        facts = _facts(state)
        target = SaveAs(f"checkpoint_step_{state.step}{self._saving.suffix}", "step")
        if self._folder.keeps(target, facts):
            self._folder.save(state_values(state, shipped), facts, [target])

    def save_epoch(self, state: GanState, shipped: Generator) -> None:
        """Save after an epoch under every name that is due.

        Raises:
            Exception: what this save, or the one before in the background, met.
        """
        facts = _facts(state)
        suffix = self._saving.suffix
        targets = [SaveAs(self.latest.name, "latest")]
        if self._saving.ranking.improves(facts.metrics, self._best):
            targets.append(SaveAs(f"best_model{suffix}", "best"))
        if state.epoch % self._saving.every_epochs == 0:
            targets.append(SaveAs(f"checkpoint_epoch_{state.epoch:03d}{suffix}", "epoch"))
        if state.epoch == state.config.epochs:
            targets.append(SaveAs(self.final.name, "final"))
        self._folder.save(state_values(state, shipped), facts, targets)
        if best := [target for target in targets if target.kind == "best"]:
            self._best, self._best_name = facts.metrics, best[0].file

    def __enter__(self) -> "GanCheckpoints":
        return self

    def __exit__(self, *error: Any) -> None:
        self._folder.__exit__(*error)


def _facts(state: GanState) -> ModelFacts:
    config = state.config
    metrics: dict[str, float] = {}
    if state.epoch_steps:
        metrics = _metrics(mean_report(state.epoch_steps), state.epoch + 1, config)
    elif state.epoch:
        last = StepReport(*(state.history[key][-1] for key in HISTORY_KEYS))
        metrics = _metrics(last, state.epoch, config)
    details = {f"avg_{key}": metrics[key] for key in HISTORY_KEYS if key in metrics}
    plain = config.as_dict()
    return ModelFacts(
        epoch=state.epoch,
        step=state.step,
        metrics=metrics,
        config=plain,
        config_hash=config_hash(plain, MAY_CHANGE),
        details={"noise_dim": config.noise_dim, **details},
        versions=current_versions(),
    )


def _metrics(mean: StepReport, epoch: int, config: GanConfig) -> dict[str, float]:
    """The epoch's means, and the distance of D(fake) from 0.5 where it says anything."""
    metrics = dict(zip(HISTORY_KEYS, astuple(mean), strict=True))
    warm = epoch > _WARM_UP * config.epochs
    if warm and mean.d_real - mean.d_fake >= _LEAST_MARGIN:
        metrics["D_fake_distance"] = abs(mean.d_fake - 0.5)
    return metrics
