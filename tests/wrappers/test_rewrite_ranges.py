"""The rewrites for integer activations: the same functions, and of narrower ranges."""

import torch
from torch.nn import functional

from wrappers.rewrite_ranges import channel_units, standardise_in_proportion

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


def test_units_are_powers_of_two_near_what_the_channels_give() -> None:
    torch.manual_seed(0)
    deviation = torch.tensor([0.5, 1.0, 3.0, 8.0, 2.0], dtype=torch.float64)
    bias = torch.tensor([0.0, 1.0, -1.0, 0.0, 5.0], dtype=torch.float64)
    drawn = functional.gelu(bias + deviation * torch.randn(200_000, 5, dtype=torch.float64))
    ratio = channel_units(deviation, bias) / drawn.square().mean(0).sqrt()
    assert (ratio.log2().abs() <= 0.51).all()
    assert torch.equal(torch.log2(channel_units(deviation, bias)) % 1, torch.zeros_like(bias))


def test_units_of_silent_channels_stay_within_reach_of_the_largest() -> None:
    deviation = torch.tensor([0.0, 1e-6, 4.0], dtype=torch.float64)
    units = channel_units(deviation, torch.tensor([0.0, -50.0, 0.0], dtype=torch.float64))
    assert units.tolist() == [2**-4, 2**-4, 2]
