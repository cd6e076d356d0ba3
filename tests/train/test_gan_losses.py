"""The losses against their formulas, and the penalty against what is known of gradients."""

import pytest
import torch
from torch import nn

from train.gan_losses import discriminator_loss, generator_loss, gradient_penalty

REAL = torch.tensor([[2.0], [-1.0]])
FAKE = torch.tensor([[0.5], [-3.0]])


def test_cross_entropy_is_the_published_one_with_a_smoothed_label() -> None:
    real, fake = REAL.sigmoid(), FAKE.sigmoid()
    expected = -(0.9 * real.log() + 0.1 * (1 - real).log()).mean() - (1 - fake).log().mean()
    torch.testing.assert_close(discriminator_loss("bce", REAL, FAKE, 0.9), expected)
    torch.testing.assert_close(generator_loss("bce", FAKE), -fake.log().mean())


def test_hinge_asks_for_a_margin_of_one_on_either_side() -> None:
    assert discriminator_loss("hinge", REAL, FAKE, 1.0).item() == pytest.approx(
        (0 + 2) / 2 + (1.5 + 0) / 2
    )
    assert generator_loss("hinge", FAKE).item() == pytest.approx(1.25)


def test_the_penalty_of_a_plane_is_the_square_of_its_slope() -> None:
    plane = nn.Sequential(nn.Flatten(), nn.Linear(64, 1))
    penalty = gradient_penalty(plane, torch.randn(3, 1, 8, 8))
    weight = plane.get_parameter("1.weight")
    torch.testing.assert_close(penalty, weight.square().sum())
    (gradient,) = torch.autograd.grad(penalty, weight)
    torch.testing.assert_close(gradient, 2 * weight)


def test_the_penalty_is_the_mean_over_images_of_what_small_steps_show() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh(), nn.Flatten(), nn.Linear(18, 1)).double()
    images = torch.randn(2, 1, 5, 5, dtype=torch.float64)
    step = 1e-6
    slopes = []
    for nudge in step * torch.eye(25, dtype=torch.float64).view(25, 1, 5, 5):
        ahead, behind = network(images + nudge), network(images - nudge)
        slopes.append((ahead - behind).detach().flatten() / (2 * step))
    expected = torch.stack(slopes).square().sum(0).mean()
    torch.testing.assert_close(gradient_penalty(network, images).detach(), expected)
