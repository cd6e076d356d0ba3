"""One pair of training steps: first the discriminator learns, then the generator."""

import torch
from torch import nn

from train.augmentation import augmented
from train.gan_losses import discriminator_loss, generator_loss, gradient_penalty
from train.gan_state import GanState

STEP_KEYS = ("D_loss", "G_loss", "D_real", "D_fake")
"""What a step measures: both losses, and the discriminator's mean answers (0 fake to 1 real)."""


def _computing(state: GanState, device: torch.device) -> torch.autocast:
    """As the config wants it: all in float32, or the convolutions in bfloat16."""
    wanted = state.config.mixed_precision == "bf16"
    return torch.autocast(device.type, torch.bfloat16, enabled=wanted)


def _shown(state: GanState, images: torch.Tensor, step: int) -> torch.Tensor:
    """Images, real or not, as the discriminator is shown them: augmented, under fading noise."""
    config = state.config
    images = augmented(images, config.diffaugment)
    noise = config.input_noise * (1 - step / config.input_noise_steps)
    return images + noise * torch.randn_like(images) if noise > 0 else images


def _move(network: nn.Module, optimizer: torch.optim.Optimizer, clip_gradients: float) -> None:
    """Take the optimiser's step, along gradients that are cut to that length, if it is above 0."""
    if clip_gradients > 0:
        nn.utils.clip_grad_norm_(network.parameters(), clip_gradients)
    optimizer.step()


def _discriminator_step(
    state: GanState, real: torch.Tensor, fake: torch.Tensor, step: int
) -> tuple[float, float, float]:
    """Teach the discriminator to tell `real` from `fake`: its loss, D(real), D(fake).

    The penalty is due every so many steps alone, and that many times as strong (Karras et al.
    2020, "lazy regularization"); the loss is told without it.
    """
    config = state.config
    state.optimizer_d.zero_grad()
    real = _shown(state, real, step)
    with _computing(state, real.device):
        on_real = state.discriminator(real).float()
        on_fake = state.discriminator(_shown(state, fake.detach(), step)).float()
    loss = discriminator_loss(config.loss, on_real, on_fake, config.real_label)
    whole = loss
    if config.r1_gamma > 0 and step % config.r1_every == 0:
        strength = config.r1_gamma / 2 * config.r1_every
        whole = loss + strength * gradient_penalty(state.discriminator, real)
    torch.autograd.backward(whole)
    _move(state.discriminator, state.optimizer_d, config.clip_gradients)
    return loss.item(), on_real.sigmoid().mean().item(), on_fake.sigmoid().mean().item()


def _generator_step(state: GanState, fake: torch.Tensor, step: int) -> float:
    """Teach the generator to have `fake` taken for real: its loss."""
    state.optimizer_g.zero_grad()
    # The discriminator's own gradients are not needed here, and cost a third of the step.
    state.discriminator.requires_grad_(requires_grad=False)
    with _computing(state, fake.device):
        logit = state.discriminator(_shown(state, fake, step)).float()
    loss = generator_loss(state.config.loss, logit)
    torch.autograd.backward(loss)
    state.discriminator.requires_grad_(requires_grad=True)
    _move(state.generator, state.optimizer_g, state.config.clip_gradients)
    return loss.item()


def train_step(state: GanState, real: torch.Tensor, step: int) -> dict[str, float]:
    """Both steps on one batch of images; the generator's reuses the images of the other one.

    `step` is how many such pairs the run has behind it.

    Returns:
        What was measured, under each of `STEP_KEYS`.
    """
    latent = torch.randn(len(real), state.config.noise_dim, device=real.device)
    with _computing(state, real.device):
        fake = state.generator(latent).float()
    d_loss, d_real, d_fake = _discriminator_step(state, real, fake, step)
    g_loss = _generator_step(state, fake, step)
    state.average.update_parameters(state.generator)
    return dict(zip(STEP_KEYS, (d_loss, g_loss, d_real, d_fake), strict=True))
