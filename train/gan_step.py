"""One pair of training steps: first the discriminator learns, then the generator."""

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from train.gan_state import GanState

STEP_KEYS = ("D_loss", "G_loss", "D_real", "D_fake")
"""What a step measures: both losses, and the discriminator's mean answers (0 fake to 1 real)."""


def _computing(state: GanState, device: torch.device) -> torch.autocast:
    """As the config wants it: all in float32, or the convolutions in bfloat16."""
    wanted = state.config.mixed_precision == "bf16"
    return torch.autocast(device.type, torch.bfloat16, enabled=wanted)


def _discriminator_step(
    state: GanState, real: torch.Tensor, fake: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Teach the discriminator to tell `real` from `fake`: its loss, D(real), D(fake)."""
    state.optimizer_d.zero_grad()
    with _computing(state, real.device):
        on_real = state.discriminator(real).float()
        on_fake = state.discriminator(fake.detach()).float()
    wanted = torch.full_like(on_real, state.config.real_label)
    loss = binary_cross_entropy_with_logits(on_real, wanted)
    loss = loss + binary_cross_entropy_with_logits(on_fake, torch.zeros_like(on_fake))
    torch.autograd.backward(loss)
    state.optimizer_d.step()
    return loss, on_real.sigmoid().mean(), on_fake.sigmoid().mean()


def _generator_step(state: GanState, fake: torch.Tensor) -> torch.Tensor:
    """Teach the generator to have `fake` taken for real: its loss."""
    state.optimizer_g.zero_grad()
    # The discriminator's own gradients are not needed here, and cost a third of the step.
    state.discriminator.requires_grad_(requires_grad=False)
    with _computing(state, fake.device):
        logit = state.discriminator(fake).float()
    loss = binary_cross_entropy_with_logits(logit, torch.ones_like(logit))
    torch.autograd.backward(loss)
    state.discriminator.requires_grad_(requires_grad=True)
    state.optimizer_g.step()
    return loss


def train_step(state: GanState, real: torch.Tensor) -> dict[str, float]:
    """Both steps on one batch of images; the generator's reuses the images of the other one.

    Returns:
        What was measured, under each of `STEP_KEYS`.
    """
    latent = torch.randn(len(real), state.config.noise_dim, device=real.device)
    with _computing(state, real.device):
        fake = state.generator(latent).float()
    d_loss, d_real, d_fake = _discriminator_step(state, real, fake)
    g_loss = _generator_step(state, fake)
    state.average.update_parameters(state.generator)
    # Read at once and last: a GPU stops for every number that is asked of it.
    measured = torch.stack((d_loss, g_loss, d_real, d_fake)).tolist()
    return dict(zip(STEP_KEYS, measured, strict=True))
