"""One pair of training steps: first the discriminator learns, then the generator."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from train.gan_state import GanState

STEP_KEYS = ("D_loss", "G_loss", "D_real", "D_fake")
"""What a step measures: both losses, and the discriminator's mean answers (0 fake to 1 real)."""
_NARROW = {"bf16": torch.bfloat16, "fp16": torch.float16}


def _computing(state: GanState, device: torch.device) -> torch.autocast:
    """As the config wants it: all in float32, or the convolutions in 16 bits."""
    narrow = _NARROW.get(state.config.mixed_precision)
    return torch.autocast(device.type, narrow or torch.bfloat16, enabled=narrow is not None)


def _follow(state: GanState, network: nn.Module, optimizer: torch.optim.Adam) -> None:
    """Move the weights by the gradients of all parts and processes."""
    state.processes.average_gradients(network.parameters())
    state.scaler.step(optimizer)


def _discriminator_step(
    state: GanState, reals: Sequence[torch.Tensor], fakes: Sequence[torch.Tensor]
) -> torch.Tensor:
    """Teach the discriminator to tell `reals` from `fakes`, in parts: loss, D(real), D(fake)."""
    state.optimizer_d.zero_grad()
    figures = []
    for real, fake in zip(reals, fakes, strict=True):
        with _computing(state, real.device):
            on_real = state.discriminator(real).float()
            on_fake = state.discriminator(fake.detach()).float()
        wanted = torch.full_like(on_real, state.config.real_label)
        loss = binary_cross_entropy_with_logits(on_real, wanted)
        loss = loss + binary_cross_entropy_with_logits(on_fake, torch.zeros_like(on_fake))
        torch.autograd.backward(state.scaler.scale(loss / len(reals)))
        answers = (on_real.sigmoid().mean(), on_fake.sigmoid().mean())
        figures.append(torch.stack([loss, *answers]).detach())
    _follow(state, state.discriminator, state.optimizer_d)
    return torch.stack(figures).mean(0)


def _generator_step(state: GanState, fakes: Sequence[torch.Tensor]) -> torch.Tensor:
    """Teach the generator to have `fakes` taken for real, in parts: its loss, (1,)."""
    state.optimizer_g.zero_grad()
    losses = []
    # The discriminator's own gradients are not needed here, and cost a third of the step.
    state.discriminator.requires_grad_(requires_grad=False)
    for fake in fakes:
        with _computing(state, fake.device):
            logit = state.discriminator(fake).float()
        loss = binary_cross_entropy_with_logits(logit, torch.ones_like(logit))
        torch.autograd.backward(state.scaler.scale(loss / len(fakes)))
        losses.append(loss.detach())
    state.discriminator.requires_grad_(requires_grad=True)
    _follow(state, state.generator, state.optimizer_g)
    return torch.stack(losses).mean(0, keepdim=True)


def train_step(state: GanState, real: torch.Tensor) -> dict[str, float]:
    """Both steps on one batch of images; the generator's reuses the images of the other one.

    `real` is this process's share of the batch. Parts take every so many-th row of it, so that
    those of all processes together are the parts of the whole.

    Returns:
        What was measured over the whole batch, under each of `STEP_KEYS`.
    """
    processes, parts = state.processes, state.config.accumulate
    rows = processes.whole(len(real))
    latent = processes.share(torch.randn(rows, state.config.noise_dim, device=real.device))
    fakes = []
    for part in range(parts):
        with _computing(state, real.device):
            fakes.append(state.generator(latent[part::parts]).float())
    of_discriminator = _discriminator_step(state, [real[p::parts] for p in range(parts)], fakes)
    of_generator = _generator_step(state, fakes)
    state.scaler.update()
    state.average.update_parameters(state.generator)
    figures = processes.mean(torch.cat([of_discriminator, of_generator]))
    d_loss, d_real, d_fake, g_loss = figures.tolist()
    return dict(zip(STEP_KEYS, (d_loss, g_loss, d_real, d_fake), strict=True))
