"""Waves of known periods, and the upsampling that leaves them."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from networks.quality.judgement import RealPictures
from networks.quality.spectrum import checkerboard_share

ROWS, COLUMNS = np.mgrid[:128, :128]


def wave(down: float, across: float) -> NDArray[np.float64]:
    """One picture of a wave with these numbers of periods in 128 pixels."""
    picture: NDArray[np.float64] = np.cos(2 * np.pi * (down * ROWS + across * COLUMNS) / 128)
    return picture[None, None]


@pytest.mark.parametrize(
    ("down", "across"), [(64, 0), (0, 64), (64, 64), (32, 0), (0, 32), (32, 32), (64, 32)]
)
def test_all_energy_of_a_grid_is_found(down: int, across: int) -> None:
    assert checkerboard_share(wave(down, across)) > 0.99


@pytest.mark.parametrize(("down", "across"), [(1, 0), (3, 5), (16, 0), (40, 0), (50, 64), (32, 8)])
def test_other_waves_are_no_grid(down: int, across: int) -> None:
    assert checkerboard_share(wave(down, across)) < 0.01


def test_parts_are_told_and_brightness_does_not_matter() -> None:
    mixed = wave(5, 5) + 0.5 * wave(64, 0) / np.sqrt(2)  # at its top everywhere, cosines half so
    assert checkerboard_share(mixed) == pytest.approx(0.2, abs=0.01)
    assert checkerboard_share(mixed + 100) == pytest.approx(0.2, abs=0.01)


def test_pictures_of_one_grey_have_none_to_share() -> None:
    assert np.isnan(checkerboard_share(np.full((3, 1, 128, 128), 7, np.uint8)))


def test_transposed_convolutions_leave_more_than_resizing(unseen_fruit: RealPictures) -> None:
    pictures = torch.from_numpy(unseen_fruit.pictures[:16]).float()
    small = functional.avg_pool2d(pictures, 2)
    torch.manual_seed(0)
    upsample = nn.ConvTranspose2d(1, 1, 5, stride=2, padding=2, output_padding=1, bias=False)
    nn.init.uniform_(upsample.weight, 0, 0.1)
    smooth = functional.interpolate(small, scale_factor=2, mode="bilinear")
    with torch.no_grad():
        uneven = upsample(small)
    real = checkerboard_share(unseen_fruit.pictures[:16])
    assert checkerboard_share(uneven.numpy()) > 10 * real
    assert checkerboard_share(smooth.numpy()) < real
