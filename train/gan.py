"""The GAN's training: two alternating steps, a checkpoint after every epoch, exact resume."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from chunkport.errors import ChunkportError, UsageError
from chunkport.files import make_folder
from train.gan_config import GanConfig
from train.gan_state import (
    HISTORY_KEYS,
    GanState,
    derived_seed,
    load_state,
    new_state,
    save_state,
    shipped_generator,
)
from train.images import to_unit_range
from train.samples import write_grid

_SAMPLES = 64


class DivergedError(ChunkportError):
    """A loss or weight is no longer a number; the epoch before left a good checkpoint."""

    exit_code = 1


@dataclass(frozen=True)
class StepReport:
    """Losses of one pair of steps, and the discriminator's mean answers (0 fake to 1 real)."""

    d_loss: float
    g_loss: float
    d_real: float
    d_fake: float


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
    """What a finished run leaves: its checkpoint and the history of `HISTORY_KEYS` by epoch."""

    checkpoint: Path
    epochs: int
    history: dict[str, tuple[float, ...]]


def _discriminator_step(
    state: GanState, real: torch.Tensor, fake: torch.Tensor
) -> tuple[float, float, float]:
    """Teach the discriminator to tell `real` from `fake`: its loss, D(real), D(fake)."""
    state.optimizer_d.zero_grad()
    on_real, on_fake = state.discriminator(real), state.discriminator(fake.detach())
    wanted = torch.full_like(on_real, state.config.real_label)
    loss = binary_cross_entropy_with_logits(on_real, wanted)
    loss = loss + binary_cross_entropy_with_logits(on_fake, torch.zeros_like(on_fake))
    torch.autograd.backward(loss)
    state.optimizer_d.step()
    return loss.item(), on_real.sigmoid().mean().item(), on_fake.sigmoid().mean().item()


def _generator_step(state: GanState, fake: torch.Tensor) -> float:
    """Teach the generator to have `fake` taken for real: its loss."""
    state.optimizer_g.zero_grad()
    # The discriminator's own gradients are not needed here, and cost a third of the step.
    state.discriminator.requires_grad_(requires_grad=False)
    logit = state.discriminator(fake)
    loss = binary_cross_entropy_with_logits(logit, torch.ones_like(logit))
    torch.autograd.backward(loss)
    state.discriminator.requires_grad_(requires_grad=True)
    state.optimizer_g.step()
    return loss.item()


def _step(state: GanState, real: torch.Tensor) -> StepReport:
    """Both steps on one batch; the generator's step reuses the images of the other one."""
    latent = torch.randn(len(real), state.config.noise_dim, device=real.device)
    fake = state.generator(latent)
    d_loss, d_real, d_fake = _discriminator_step(state, real, fake)
    g_loss = _generator_step(state, fake)
    state.average.update_parameters(state.generator)
    return StepReport(d_loss, g_loss, d_real, d_fake)


def _batches(images: torch.Tensor, size: int) -> Iterator[torch.Tensor]:
    """The images in random order, in float; an incomplete last batch is left out."""
    order = torch.randperm(len(images)).to(images.device)
    for start in range(0, len(images), size):
        chosen = order[start : start + size]
        if len(chosen) == min(size, len(images)):
            yield to_unit_range(images[chosen])


def _divergence(epoch: int, what: str) -> str:
    remedy = f"resume from the checkpoint of epoch {epoch - 1}" if epoch > 1 else "start again"
    return f"epoch {epoch}: {what} is no longer a number; {remedy} with a lower learning rate"


def _train_epoch(
    state: GanState, images: torch.Tensor, on_batch: Callable[[BatchReport], None] | None
) -> StepReport:
    """One pass over the images; returns the means. Random numbers depend on the epoch alone."""
    config, epoch = state.config, state.epoch + 1
    batches = max(1, len(images) // config.batch_size)
    steps = []
    with torch.random.fork_rng():
        torch.manual_seed(derived_seed(config.seed, "epoch", epoch))
        for batch, real in enumerate(_batches(images, config.batch_size), start=1):
            step = _step(state, real)
            if not (math.isfinite(step.d_loss) and math.isfinite(step.g_loss)):
                raise DivergedError(_divergence(epoch, f"the loss of batch {batch}"))
            steps.append(step)
            if on_batch is not None:
                on_batch(BatchReport(epoch, config.epochs, batch, batches, step))
    weights = (*state.generator.parameters(), *state.discriminator.parameters())
    if not all(bool(weight.isfinite().all()) for weight in weights):
        raise DivergedError(_divergence(epoch, "a weight after the last batch"))
    return StepReport(
        d_loss=math.fsum(step.d_loss for step in steps) / len(steps),
        g_loss=math.fsum(step.g_loss for step in steps) / len(steps),
        d_real=math.fsum(step.d_real for step in steps) / len(steps),
        d_fake=math.fsum(step.d_fake for step in steps) / len(steps),
    )


def _say_nothing(_message: str) -> None:
    """What is announced when nobody listens."""


def train_gan(
    images: torch.Tensor,
    config: GanConfig,
    output_folder: Path,
    *,
    resume: Path | None = None,
    max_chunk_mb: float = 90,
    device: str = "cpu",
    on_epoch: Callable[[EpochReport], None] | None = None,
    on_batch: Callable[[BatchReport], None] | None = None,
    announce: Callable[[str], None] | None = None,
) -> TrainingResult:
    """Train on `images` (N, 1, 128, 128) uint8 up to `config.epochs` epochs in all.

    After every epoch `output_folder/models/latest_model.pth` is replaced; a run that is stopped
    at any time goes on from there with `resume`, and ends with the same weights as one that was
    not. `announce` hears what is said about chunks. Pictures of fixed latents go to
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
    state = new_state(config, device) if resume is None else load_state(resume, config, device)
    if state.epoch >= config.epochs:
        raise UsageError(
            f"{resume}: has {state.epoch} epochs behind it already; ask for more than that"
        )
    checkpoint = output_folder / "models" / "latest_model.pth"
    make_folder(checkpoint.parent)
    source = torch.Generator().manual_seed(derived_seed(config.seed, "samples"))
    latents = torch.randn(_SAMPLES, config.noise_dim, generator=source).to(device)
    images = images.to(device)
    while state.epoch < config.epochs:
        state.generator.train()
        state.discriminator.train()
        mean = _train_epoch(state, images, on_batch)
        for key, value in zip(
            HISTORY_KEYS, (mean.d_loss, mean.g_loss, mean.d_real, mean.d_fake), strict=True
        ):
            state.history[key].append(value)
        shipped = shipped_generator(state)
        save_state(state, shipped, checkpoint, max_chunk_mb, announce or _say_nothing)
        sample = None
        if state.epoch in (1, config.epochs) or state.epoch % config.sample_every == 0:
            sample = output_folder / "training_progress" / f"epoch_{state.epoch:03d}.png"
            write_grid(shipped, latents, sample)
        if on_epoch is not None:
            on_epoch(EpochReport(state.epoch, config.epochs, mean, checkpoint, sample))
    history = {key: tuple(values) for key, values in state.history.items()}
    return TrainingResult(checkpoint, state.epoch, history)
