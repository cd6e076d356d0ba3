"""Weights that a recipe moved are recognised, and others are not taken for them."""

import numpy as np
import pytest
from numpy.typing import NDArray

from convert.stored.constants import StoredConstant
from convert.stored.int4 import pack_int4
from convert.stored.scales import Scales
from convert.stored.weight_fit import cuts_little, fits, is_shifted, is_too_coarse, points_alike

_RNG = np.random.default_rng(0)
WEIGHT = _RNG.standard_normal((16, 64)).astype(np.float32)
BIAS = np.random.default_rng(1).standard_normal(64).astype(np.float32)
OTHER = _RNG.standard_normal((16, 64)).astype(np.float32)


def moved(weight: NDArray[np.float32], *, factor: float = 1.0) -> StoredConstant:
    """In int4, each value up or down by chance, one channel's scale off by the factor."""
    scale = np.abs(weight).max(axis=1) / 7
    lower = np.floor(weight / scale[:, None])
    integers = np.clip(lower + np.random.default_rng(2).integers(0, 2, weight.shape), -7, 7)
    scale[3] *= factor
    scales = Scales(scale, np.zeros(16, np.float32), 64)
    return StoredConstant(pack_int4(integers.astype(np.int8)), weight.size, 4, scales)


def found(stored: StoredConstant) -> bool:
    return points_alike(WEIGHT.reshape(-1), stored) and fits([WEIGHT[:5], WEIGHT[5:]], stored)


def test_a_weight_moved_by_up_to_a_step_is_found() -> None:
    assert not moved(WEIGHT).holds(WEIGHT)
    assert found(moved(WEIGHT))


@pytest.mark.parametrize("factor", [2.0, 0.5])
def test_one_channels_scale_off_is_found_out(factor: float) -> None:
    assert not found(moved(WEIGHT, factor=factor))


def test_another_weight_and_another_order_are_not_taken_for_it() -> None:
    assert not found(moved(OTHER))
    swapped = WEIGHT.copy()
    swapped[[1, 2]] = swapped[[2, 1]]
    assert not found(moved(swapped))


def test_fractions_never_fit() -> None:
    assert not found(StoredConstant(WEIGHT.reshape(-1), WEIGHT.size, 32))


def test_a_bias_may_be_shifted_by_little_of_its_layers_weight() -> None:
    bias = _RNG.standard_normal(16).astype(np.float32)

    def stored(values: NDArray[np.float32]) -> StoredConstant:
        return StoredConstant(values, values.size, 32)

    shift = np.full(16, 0.01 * np.linalg.norm(WEIGHT) / 4, np.float32)
    assert is_shifted(bias, WEIGHT, stored(bias + shift))
    assert not is_shifted(bias, WEIGHT, stored(bias + 3 * shift))
    assert not is_shifted(bias, WEIGHT, stored(bias[::-1].copy()))


def rounded(scale: NDArray[np.float32]) -> StoredConstant:
    """In int8, to the nearest by these scales, what lies beyond their ends cut."""
    integers = np.clip(np.rint(WEIGHT / scale[:, None]), -127, 127).astype(np.int8)
    scales = Scales(scale, np.zeros(16, np.float32), 64)
    return StoredConstant(integers.reshape(-1), WEIGHT.size, 8, scales)


@pytest.mark.parametrize("factor", [4, 1000])
def test_a_channel_that_a_long_step_leaves_little_of_is_not_the_weight(factor: float) -> None:
    scale = np.abs(WEIGHT).max(axis=1) / 127
    assert not is_too_coarse(rounded(scale))
    scale[3] *= factor
    stored = rounded(scale)
    assert stored.holds(WEIGHT)  # by half a step
    assert is_too_coarse(stored)


def test_a_channel_of_zeros_is_no_fault() -> None:
    stored = rounded(np.full(16, 1e-9 / 127, np.float32))
    stored.data[:] = 0
    assert not is_too_coarse(stored)


@pytest.mark.parametrize("factor", [1 / 100, 0.0])
def test_a_channel_that_is_cut_to_nothing_is_not_the_weight(factor: float) -> None:
    scale = np.abs(WEIGHT).max(axis=1) / 127
    half = scale.copy()
    half[3] /= 2
    assert cuts_little([WEIGHT], rounded(half))
    scale[3] *= factor
    with np.errstate(divide="ignore"):
        stored = rounded(scale)
    assert stored.holds(WEIGHT, clipped=True)
    assert not cuts_little([WEIGHT], stored)
    assert not fits([WEIGHT], stored)
