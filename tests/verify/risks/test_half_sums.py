"""Sums in float16 against what is known of float16."""

import numpy as np
import pytest

from verify.risks.half_sums import sum_in_half


def test_ones_added_one_by_one_stop_at_2048() -> None:
    """Beyond 2048 the next float16 is 2 away, so that adding 1 changes nothing."""
    found = sum_in_half(np.ones((4096, 1), np.float32), (0,))
    assert found.extent == 4096
    assert found.largest == 4096
    assert found.sequential_error == 0.5
    assert found.bits_kept == 1
    assert found.pairwise_error == 0


def test_a_short_sum_keeps_its_bits() -> None:
    values = np.random.default_rng(0).standard_normal((5, 8, 64)).astype(np.float32)
    found = sum_in_half(values, (-1,))
    assert found.sequential_error < 2e-3
    assert found.bits_kept > 8.5


def test_a_sum_that_overflows_on_its_way_has_no_bits() -> None:
    values = np.array([[60000.0], [60000.0], [-60000.0]], np.float32)
    found = sum_in_half(values, (0,))
    assert found.largest == 60000
    assert found.sequential_error == np.inf
    assert found.bits_kept == 0


def test_the_largest_of_many_sums_is_never_left_out() -> None:
    values = np.ones((4, 100, 100), np.float32)
    values[:, 37, 91] = 20000
    assert sum_in_half(values, (0,)).largest == 80000
    assert sum_in_half(values, (0,)).sequential_error == np.inf


@pytest.mark.parametrize("axes", [(1, 2), (-3, -2)])
def test_several_axes_are_one_sum(axes: tuple[int, ...]) -> None:
    values = np.ones((1, 64, 64, 3), np.float32)
    assert sum_in_half(values, axes).extent == 4096
