"""One pair of training steps: first the discriminator learns, then the generator."""

from collections.abc import Sequence

import torch
from torch import nn

from train.augmentation import augmented
from train.gan_losses import discriminator_loss, generator_loss, gradient_penalty
from train.gan_state import GanState

STEP_KEYS = ("D_loss", "G_loss", "D_real", "D_fake")
"""What a step measures: both losses, and the discriminator's mean answers (0 fake to 1 real)."""


_NARROW = {"bf16": torch.bfloat16, "fp16": torch.float16}


def _computing(state: GanState, device: torch.device) -> torch.autocast:
    """As the config wants it: all in float32, or the convolutions in 16 bits."""
    narrow = _NARROW.get(state.config.mixed_precision)
    return torch.autocast(device.type, narrow or torch.bfloat16, enabled=narrow is not None)


def _shown(state: GanState, images: torch.Tensor, step: int) -> torch.Tensor:
    """Images, real or not, as the discriminator is shown them: augmented, under fading noise."""
    config = state.config
    images = augmented(images, config.diffaugment, state.processes)
    noise = config.input_noise * (1 - step / config.input_noise_steps)
    if noise <= 0:
        return images
    each = images.shape[1:]
    return images + noise * state.processes.drawn(
        len(images), lambda rows: torch.randn(rows, *each, device=images.device)
    )


def _move(state: GanState, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Take the optimiser's step, by the gradients of all parts and processes, clipped if asked."""
    state.processes.average_gradients(network.parameters())
    if state.config.clip_gradients > 0:
        state.scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(network.parameters(), state.config.clip_gradients)
    state.scaler.step(optimizer)


def _discriminator_step(
    state: GanState, reals: Sequence[torch.Tensor], fakes: Sequence[torch.Tensor], step: int
) -> torch.Tensor:
    """Teach the discriminator to tell `reals` from `fakes`: its loss, D(real), D(fake), (3,).

    The penalty is due every so many steps alone, and that many times as strong (Karras et al.
    2020, "lazy regularization"); the loss is told without it.
    """
    config = state.config
    state.optimizer_d.zero_grad()
    measured = []
    for real, fake in zip(reals, fakes, strict=True):
        shown = _shown(state, real, step)
        with _computing(state, real.device):
            on_real = state.discriminator(shown).float()
            on_fake = state.discriminator(_shown(state, fake.detach(), step)).float()
        loss = discriminator_loss(config.loss, on_real, on_fake, config.real_label)
        whole = loss
        if config.r1_gamma > 0 and step % config.r1_every == 0:
            strength = config.r1_gamma / 2 * config.r1_every
            whole = loss + strength * gradient_penalty(state.discriminator, shown)
        torch.autograd.backward(state.scaler.scale(whole / len(reals)))
        answers = (on_real.sigmoid().mean(), on_fake.sigmoid().mean())
        measured.append(torch.stack((loss, *answers)).detach())
    _move(state, state.discriminator, state.optimizer_d)
    return torch.stack(measured).mean(0)


def _generator_step(state: GanState, fakes: Sequence[torch.Tensor], step: int) -> torch.Tensor:
    """Teach the generator to have `fakes` taken for real: its loss, (1,)."""
    losses = []
    state.optimizer_g.zero_grad()
    # The discriminator's own gradients are not needed here, and are a tenth of the arithmetic.
    state.discriminator.requires_grad_(requires_grad=False)
    for fake in fakes:
        with _computing(state, fake.device):
            logit = state.discriminator(_shown(state, fake, step)).float()
        loss = generator_loss(state.config.loss, logit)
        torch.autograd.backward(state.scaler.scale(loss / len(fakes)))
        losses.append(loss.detach())
    state.discriminator.requires_grad_(requires_grad=True)
    _move(state, state.generator, state.optimizer_g)
    return torch.stack(losses).mean(0, keepdim=True)


def train_step(state: GanState, real: torch.Tensor, step: int) -> dict[str, float]:
    """Both steps on one batch of images; the generator's reuses the images of the other one.

    `real` is this process's share of the batch. A part of it has every so many-th row, so that the
    parts of all processes together are those of the whole batch. `step` is how many such pairs the
    run has behind it.

    Returns:
        What was measured of the whole batch, under each of `STEP_KEYS`.
    """
    parts, size = state.config.accumulate, state.config.noise_dim
    latent = state.processes.drawn(
        len(real), lambda rows: torch.randn(rows, size, device=real.device)
    )
    reals = [real[part::parts] for part in range(parts)]
    fakes = []
    for part in range(parts):
        with _computing(state, real.device):
            fakes.append(state.generator(latent[part::parts]).float())
    of_discriminator = _discriminator_step(state, reals, fakes, step)
    of_generator = _generator_step(state, fakes, step)
    state.scaler.update()
    state.average.update_parameters(state.generator)
    # Read at once and last: a GPU stops for every number that is asked of it.
    measured = state.processes.mean(torch.cat((of_discriminator, of_generator))).tolist()
    d_loss, d_real, d_fake, g_loss = measured
    return dict(zip(STEP_KEYS, (d_loss, g_loss, d_real, d_fake), strict=True))
