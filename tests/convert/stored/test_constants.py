"""What integers stand for, by tensor, channel and block, and whether they are a weight."""

import numpy as np
import pytest
from numpy.typing import NDArray

from convert.stored.constants import StoredConstant
from convert.stored.int4 import pack_int4
from convert.stored.scales import Scales

WEIGHT = np.random.default_rng(0).standard_normal((6, 3, 32)).astype(np.float32)


def stored(
    bits: int,
    run: int,
    *,
    clip: float = 1.0,
    zero_point: int = 0,
    weight: NDArray[np.float32] = WEIGHT,
) -> StoredConstant:
    """The weight rounded to the nearest, `run` values to a scale, the largest cut at `clip`."""
    rows = weight.reshape(-1, run)
    highest = (1 << bits - 1) - 1
    scale = np.abs(rows).max(axis=1) * clip / highest
    integers = np.clip(np.rint(rows / scale[:, None]), -highest, highest) + zero_point
    data = integers.astype(np.int8).reshape(-1)
    scales = Scales(scale.astype(np.float32), np.full(len(scale), zero_point, np.float32), run)
    return StoredConstant(pack_int4(data) if bits == 4 else data, data.size, bits, scales)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("run", [96, 32, 16, 576])
def test_a_weight_is_found_among_integers_of_any_width_and_grouping(bits: int, run: int) -> None:
    constant = stored(bits, run)
    assert constant.holds(WEIGHT)
    assert constant.holds(WEIGHT.reshape(-1)[33:77], 33)
    scales = constant.scales
    assert scales is not None
    widened = scales.widened(constant.numbers(0, constant.size))
    assert np.abs(widened - WEIGHT.reshape(-1)).max() <= scales.scale.max() * 0.501
    places = np.array([575, 0, 34])
    np.testing.assert_allclose(constant.at(places), widened[places], rtol=1e-6)


def test_groups_come_again_where_channels_are_the_last_axis() -> None:
    scales = Scales(np.array([1, 10], np.float32), np.array([0, 1], np.float32), 1)
    widened = scales.widened(np.array([[1, 2], [3, 4]], np.int8))
    np.testing.assert_array_equal(widened, [[1, 10], [3, 30]])


@pytest.mark.parametrize("bits", [4, 8])
def test_a_weight_two_percent_off_is_another(bits: int) -> None:
    noise = np.random.default_rng(1).standard_normal(WEIGHT.shape).astype(np.float32)
    constant = stored(bits, 96, weight=WEIGHT + 0.02 * noise)
    assert not constant.holds(WEIGHT)
    assert not constant.holds(WEIGHT, clipped=True)


def test_a_cut_weight_is_right_only_where_it_may_be_cut() -> None:
    constant = stored(4, 96, clip=0.7)
    assert not constant.holds(WEIGHT)
    assert constant.holds(WEIGHT, clipped=True)
    assert not stored(4, 96, clip=0.7, weight=WEIGHT[::-1].copy()).holds(WEIGHT, clipped=True)


def test_a_zero_point_counts() -> None:
    assert stored(8, 96, clip=1.1, zero_point=5).holds(WEIGHT)
    moved = stored(8, 96)
    assert moved.scales is not None
    moved.scales.zero_point[:] = 1
    assert not moved.holds(WEIGHT)


def test_fractions_are_compared_bit_for_bit() -> None:
    flat = WEIGHT.reshape(-1)
    assert StoredConstant(flat, flat.size, 32).holds(WEIGHT)
    halves = flat.astype(np.float16)
    assert StoredConstant(halves, flat.size, 16).holds(WEIGHT)
    assert not StoredConstant(flat, flat.size, 32).holds(np.nextafter(WEIGHT, np.float32(9)))
