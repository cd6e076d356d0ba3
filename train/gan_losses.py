"""What the two networks of a GAN are taught to make small, by the discriminator's logits."""

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, relu

LOSSES = {"bce": "binary cross-entropy (nats)", "hinge": "hinge loss"}
"""By name, and how a plot calls them: as published, or hinge (Lim and Ye 2017)."""


def discriminator_loss(
    loss: str, on_real: torch.Tensor, on_fake: torch.Tensor, real_label: float
) -> torch.Tensor:
    """Of the logits (B, 1) for real and generated images; hinge knows no `real_label`."""
    if loss == "hinge":
        return relu(1 - on_real).mean() + relu(1 + on_fake).mean()
    wanted = torch.full_like(on_real, real_label)
    return binary_cross_entropy_with_logits(on_real, wanted) + binary_cross_entropy_with_logits(
        on_fake, torch.zeros_like(on_fake)
    )


def generator_loss(loss: str, on_fake: torch.Tensor) -> torch.Tensor:
    """Of the logits (B, 1) for generated images."""
    if loss == "hinge":
        return -on_fake.mean()
    return binary_cross_entropy_with_logits(on_fake, torch.ones_like(on_fake))


def gradient_penalty(discriminator: nn.Module, real: torch.Tensor) -> torch.Tensor:
    """The mean squared length of the logit's gradient at real images (B, 1, H, W).

    R1 (Mescheder et al. 2018) without its factor: small where the discriminator is flat around
    what is real, so that the generator can come to rest there.
    """
    images = real.detach().requires_grad_()
    logits = discriminator(images)
    (slopes,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return slopes.square().sum((1, 2, 3)).mean()
