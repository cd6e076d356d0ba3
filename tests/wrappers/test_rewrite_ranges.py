"""The rewrites for integer activations: the same functions, and of narrower ranges."""

import pytest
import torch
from torch.nn import functional

from wrappers.rewrite_ranges import energies_in_proportion, standardise_in_proportion

EPSILON = 1e-6


def in_8_bits(values: torch.Tensor) -> torch.Tensor:
    """As integers hold them, with one scale from the least to the greatest."""
    low, high = values.min().clamp(max=0), values.max().clamp(min=0)
    step = (high - low) / 255
    return ((values - low) / step).round() * step + low


def test_squares_of_quiet_vectors_are_not_lost_in_8_bits() -> None:
    torch.manual_seed(0)
    loud_and_quiet = torch.logspace(0, 2, 16, dtype=torch.float64)[:, None]
    x = loud_and_quiet * torch.randn(16, 192, dtype=torch.float64)
    centred = x - x.mean(-1, keepdim=True)
    assert not in_8_bits(centred * centred)[0].any()
    size = centred.relu().mean(-1, keepdim=True)
    even = centred / size
    variance = in_8_bits(even * even).mean(-1) * size[:, 0] ** 2
    torch.testing.assert_close(variance, x.var(-1, correction=0), rtol=0.05, atol=0)


def test_a_vector_without_any_difference_gives_zeros() -> None:
    x = torch.full((3, 8), 7.0)
    assert not standardise_in_proportion(x, EPSILON).any()


@pytest.mark.parametrize("size", [0.0, 1e-3, 1.0, 50.0])
def test_energies_are_those_of_the_channels(size: float) -> None:
    y = functional.gelu(size * torch.randn(1, 5, 7, 24, dtype=torch.float64))
    root, shrink = energies_in_proportion(y)
    energy = y.square().mean(dim=(1, 2), keepdim=True).sqrt()
    torch.testing.assert_close(root / shrink, energy, rtol=1e-12, atol=1e-12)


def test_energies_of_quiet_channels_are_not_lost_in_8_bits() -> None:
    torch.manual_seed(0)
    loud_and_quiet = torch.logspace(0, 2, 24, dtype=torch.float64)
    y = functional.gelu(loud_and_quiet * torch.randn(1, 8, 8, 24, dtype=torch.float64))
    assert not in_8_bits(y.square())[..., 0].any()
    energy = y.square().mean(dim=(1, 2), keepdim=True).sqrt()
    root, shrink = energies_in_proportion(y)
    torch.testing.assert_close(in_8_bits(root) / shrink, energy, rtol=0.02, atol=0)
