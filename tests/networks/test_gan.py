"""The published sizes of the GAN, in parameters and in MiB on disk."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from networks.gan import UPSAMPLINGS, Discriminator, Generator, upsampling_of

MIB = 2**20


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def saved_mib(value: Any, path: Path) -> float:
    torch.save(value, path)
    return path.stat().st_size / MIB


def trained_one_step(network: nn.Module, inputs: torch.Tensor) -> torch.optim.Adam:
    """An Adam that has moved once, so that it holds both moments of every parameter."""
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999))
    torch.autograd.backward(network(inputs).mean())
    optimizer.step()
    return optimizer


def test_published_parameter_counts() -> None:
    assert parameters(Generator()) == 7_678_849
    assert parameters(Discriminator()) == 4_336_129


@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
def test_a_generators_weights_tell_how_it_upsamples(upsampling: str) -> None:
    weights = Generator(noise_dim=3, width=2, upsampling=upsampling).state_dict()
    assert upsampling_of(weights) == upsampling


def test_the_smaller_kernels_have_fewer_parameters() -> None:
    per_kernel = {name: parameters(Generator(upsampling=name)) for name in UPSAMPLINGS}
    convolved = {name: count - per_kernel["resize"] for name, count in per_kernel.items()}
    taps = 8 * 64 * 4 * 64 + 4 * 64 * 2 * 64 + 2 * 64 * 64 + 64
    assert convolved == {
        "transposed": (25 - 9) * taps,
        "transposed-4": (16 - 9) * taps,
        "resize": 0,
    }


def test_resizing_makes_no_checkerboard_of_what_is_flat() -> None:
    """A transposed convolution of one grey differs from pixel to pixel, away from the edges too."""
    flat = torch.ones(1, 4, 8, 8)
    for upsampling, even in (("transposed", False), ("transposed-4", False), ("resize", True)):
        torch.manual_seed(0)
        inside = Generator(width=4, upsampling=upsampling).deconv4(flat)[..., 2:-2, 2:-2]
        assert (inside.std() < 1e-6) == even


def test_limiting_the_gain_leaves_no_layer_that_stretches() -> None:
    discriminator = Discriminator(width=2)
    for layer in (discriminator.conv3, discriminator.fc):
        nn.init.normal_(layer.weight, std=3)
    discriminator.limit_gain()
    for layer in (discriminator.conv3, discriminator.fc):
        norm = torch.linalg.matrix_norm(layer.weight.flatten(1), 2)
        assert norm.item() == pytest.approx(1, abs=0.1)


def test_published_sizes_on_disk(tmp_path: Path) -> None:
    generator, discriminator = Generator(), Discriminator()
    optimizer_g = trained_one_step(generator, torch.randn(2, 100))
    optimizer_d = trained_one_step(discriminator, torch.randn(2, 1, 128, 128))
    path = tmp_path / "size.pth"

    assert saved_mib(generator.state_dict(), path) == pytest.approx(29.55, abs=0.005)
    assert saved_mib(discriminator.state_dict(), path) == pytest.approx(16.54, abs=0.005)
    everything = {
        "epoch": 1,
        "noise_dim": 100,
        "generator_state_dict": generator.state_dict(),
        "discriminator_state_dict": discriminator.state_dict(),
        "optimizer_G_state_dict": optimizer_g.state_dict(),
        "optimizer_D_state_dict": optimizer_d.state_dict(),
    }
    assert saved_mib(everything, path) == pytest.approx(137.79, abs=0.01)


def test_noise_becomes_images_in_the_range_of_tanh() -> None:
    images = Generator(noise_dim=7, width=4)(torch.randn(3, 7))
    assert images.shape == (3, 1, 128, 128)
    assert images.abs().max() <= 1


def test_the_generator_tells_latents_apart() -> None:
    generator = Generator(width=4).eval()
    first, second = generator(torch.randn(2, 100))
    assert not torch.equal(first, second)


def test_images_become_one_logit_each() -> None:
    discriminator = Discriminator(width=4).eval()
    images = torch.randn(3, 1, 128, 128)
    logits = discriminator(images)
    assert logits.shape == (3, 1)
    # Without dropout, an image's logit does not depend on the images beside it.
    torch.testing.assert_close(discriminator(images[1:2]), logits[1:2])


def test_the_discriminator_drops_out_while_it_learns() -> None:
    discriminator = Discriminator(width=4).train()
    images = torch.randn(1, 1, 128, 128)
    assert not torch.equal(discriminator(images), discriminator(images))
