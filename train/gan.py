"""The GAN's training: two alternating steps, a checkpoint after every epoch, exact resume."""

import math
from collections.abc import Callable
from dataclasses import astuple, dataclass
from pathlib import Path

import torch

from checkpoints.random_state import capture_torch_state, restore_torch_state
from chunkport.errors import ChunkportError, UsageError
from train.gan_checkpoint import load_state
from train.gan_config import GanConfig
from train.gan_release import release
from train.gan_saving import GanCheckpoints, Saving
from train.gan_state import (
    HISTORY_KEYS,
    GanState,
    StepReport,
    derived_seed,
    mean_report,
    new_state,
    shipped_generator,
)
from train.gan_step import train_step
from train.images import to_unit_range
from train.samples import write_grid

_SAMPLES = 64


class DivergedError(ChunkportError):
    """A loss or weight is no longer a number; the epoch before left a good checkpoint."""

    exit_code = 1


@dataclass(frozen=True)
class BatchReport:
    """Where the run stands: batch `batch` of `batches` in epoch `epoch` of `epochs`, from 1."""

    epoch: int
    epochs: int
    batch: int
    batches: int
    step: StepReport


@dataclass(frozen=True)
class EpochReport:
    """Means over one epoch; `sample` is the picture written after it, if one was."""

    epoch: int
    epochs: int
    mean: StepReport
    checkpoint: Path
    sample: Path | None


@dataclass(frozen=True)
class TrainingResult:
    """What a finished run leaves.

    Attributes:
        checkpoint: the latest.
        best: the best by the run's criterion; None where no epoch met its conditions.
        final: the state after the last epoch.
        inference_folders: for use, of the best and the final generator.
        epochs: behind it.
        history: of `HISTORY_KEYS`, by epoch.
    """

    checkpoint: Path
    best: Path | None
    final: Path
    inference_folders: tuple[Path, ...]
    epochs: int
    history: dict[str, tuple[float, ...]]


def _order(images: torch.Tensor, size: int) -> list[torch.Tensor]:
    """The images' numbers in random order, by batch; an incomplete last batch is left out."""
    order = torch.randperm(len(images)).to(images.device)
    batches = (order[start : start + size] for start in range(0, len(images), size))
    return [chosen for chosen in batches if len(chosen) == min(size, len(images))]


def _divergence(epoch: int, what: str) -> str:
    remedy = f"resume from the checkpoint of epoch {epoch - 1}" if epoch > 1 else "start again"
    return f"epoch {epoch}: {what} is no longer a number; {remedy} with a lower learning rate"


def _refuse_broken_weights(state: GanState, epoch: int, last: str) -> None:
    weights = (*state.generator.parameters(), *state.discriminator.parameters())
    if not all(bool(weight.isfinite().all()) for weight in weights):
        raise DivergedError(_divergence(epoch, f"a weight after {last}"))


def _train_epoch(
    state: GanState,
    images: torch.Tensor,
    saved: GanCheckpoints,
    on_batch: Callable[[BatchReport], None] | None,
    announce: Callable[[str], None],
) -> StepReport:
    """One pass over the images, or the rest of one; returns the means of all of it.

    Random numbers depend on the epoch alone, so an epoch taken up again draws its order anew, and
    goes on with the numbers after it from where it was left.
    """
    config, epoch = state.config, state.epoch + 1
    with torch.random.fork_rng():
        torch.manual_seed(derived_seed(config.seed, "epoch", epoch))
        order = _order(images, config.batch_size)
        if state.epoch_steps and state.random_state is not None:
            restore_torch_state(state.random_state, announce)
        for chosen in order[len(state.epoch_steps) :]:
            step = train_step(state, to_unit_range(images[chosen]))
            batch = len(state.epoch_steps) + 1
            if not (math.isfinite(step.d_loss) and math.isfinite(step.g_loss)):
                raise DivergedError(_divergence(epoch, f"the loss of batch {batch}"))
            state.epoch_steps.append(step)
            state.step += 1
            if saved.step_is_due(state):
                _refuse_broken_weights(state, epoch, f"batch {batch}")
                state.random_state = capture_torch_state()
                saved.save_step(state, shipped_generator(state))
            if on_batch is not None:
                on_batch(BatchReport(epoch, config.epochs, batch, len(order), step))
        state.random_state = capture_torch_state()
    _refuse_broken_weights(state, epoch, "the last batch")
    mean = mean_report(state.epoch_steps)
    for key, value in zip(HISTORY_KEYS, astuple(mean), strict=True):
        state.history[key].append(value)
    state.epoch_steps = []
    return mean


def _say_nothing(_message: str) -> None:
    """What is announced when nobody listens."""


def train_gan(
    images: torch.Tensor,
    config: GanConfig,
    output_folder: Path,
    *,
    resume: Path | None = None,
    saving: Saving | None = None,
    device: str = "cpu",
    on_epoch: Callable[[EpochReport], None] | None = None,
    on_batch: Callable[[BatchReport], None] | None = None,
    announce: Callable[[str], None] = _say_nothing,
) -> TrainingResult:
    """Train on `images` (N, 1, 128, 128) uint8 up to `config.epochs` epochs in all.

    After every epoch `output_folder/models/latest_model.pth` is replaced, and beside it whatever
    `saving` asks for; a run that is stopped at any time goes on from any of its checkpoints with
    `resume`, and ends with the same weights as one that was not. At the end the generators of
    `best_model.pth` and `final_gan.pth` are put into folders of `models/inference/`. `announce`
    hears what is said about saving. Pictures of fixed latents go to
    `output_folder/training_progress/`.

    Raises:
        DivergedError: a loss or weight became infinite or not a number; the last checkpoint is
            kept.
        UsageError: too few images, a folder that is not writable, or a resumed checkpoint that
            was trained under another config.
        BadInputError: the checkpoint to resume from is damaged or of another kind.
    """
    if len(images) < 2:  # noqa: PLR2004 - batch normalisation of one image is undefined
        raise UsageError(f"too few images to train on ({len(images)}); give at least 2")
    state = new_state(config, device)
    if resume is not None:
        state = load_state(resume, config, device, announce)
    if state.epoch >= config.epochs:
        raise UsageError(
            f"{resume}: has {state.epoch} epochs behind it already; ask for more than that"
        )
    saving = saving or Saving()
    source = torch.Generator().manual_seed(derived_seed(config.seed, "samples"))
    latents = torch.randn(_SAMPLES, config.noise_dim, generator=source).to(device)
    images = images.to(device)
    with GanCheckpoints(output_folder / "models", saving, state, announce) as saved:
        while state.epoch < config.epochs:
            state.generator.train()
            state.discriminator.train()
            mean = _train_epoch(state, images, saved, on_batch, announce)
            shipped = shipped_generator(state)
            saved.save_epoch(state, shipped)
            sample = None
            if state.epoch in (1, config.epochs) or state.epoch % config.sample_every == 0:
                sample = output_folder / "training_progress" / f"epoch_{state.epoch:03d}.png"
                write_grid(shipped, latents, sample)
            if on_epoch is not None:
                on_epoch(EpochReport(state.epoch, config.epochs, mean, saved.latest, sample))
    history = {key: tuple(values) for key, values in state.history.items()}
    return TrainingResult(
        checkpoint=saved.latest,
        best=saved.best,
        final=saved.final,
        inference_folders=release(saved.best, saved.final, saving.max_chunk_mb, announce),
        epochs=state.epoch,
        history=history,
    )
