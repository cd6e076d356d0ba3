"""Thresholds and intervals, against SciPy, known values and simulated pictures."""

import math

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from chunkport.errors import UsageError
from verify.message_statistics import (
    bit_interval,
    chance_of_matches,
    matches_needed,
    most_by_chance,
    share_interval,
)


@pytest.mark.parametrize("nbits", [32, 96, 256, 1024])
@pytest.mark.parametrize("rate", [1e-2, 1e-6, 1e-9])
def test_the_threshold_is_the_least_that_keeps_the_rate(nbits: int, rate: float) -> None:
    found = matches_needed(nbits, rate)
    assert found.false_positive_rate == pytest.approx(
        binom.sf(found.matches - 1, nbits, 0.5), rel=1e-9
    )
    assert found.false_positive_rate <= rate
    assert float(chance_of_matches(nbits, found.matches - 1)) > rate


def test_thirty_of_32_bits_are_needed_for_one_in_a_million() -> None:
    found = matches_needed(32, 1e-6)
    assert found.matches == 30
    assert found.false_positive_rate == (32 * 31 // 2 + 32 + 1) / 2**32


def test_a_rate_that_only_all_bits_keep_asks_for_all_of_them() -> None:
    assert matches_needed(8, 2**-8).matches == 8


@pytest.mark.parametrize("nbits", [1, 8, 16])
def test_a_message_too_short_for_the_rate_is_refused(nbits: int) -> None:
    with pytest.raises(UsageError, match=f"a message of {nbits} bits cannot be told from chance"):
        matches_needed(nbits, 1e-6)


def test_chances_add_up_exactly() -> None:
    assert chance_of_matches(1024, 0) == 1
    assert chance_of_matches(10, 11) == 0
    assert chance_of_matches(3, 2) * 2 == 1


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (3, 10), (10, 10), (199, 200)])
def test_shares_have_clopper_and_pearsons_interval(successes: int, trials: int) -> None:
    expected = binomtest(successes, trials).proportion_ci(0.95, method="exact")
    found = share_interval(successes, trials)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize("trials", [10, 2000])
@pytest.mark.parametrize("rate", [1e-7, 0.01, 0.3])
def test_chance_keeps_to_its_bound_and_to_none_less(trials: int, rate: float) -> None:
    most = most_by_chance(trials, rate, 0.99)
    assert binom.cdf(most, trials, rate) >= 0.99
    assert most == 0 or binom.cdf(most - 1, trials, rate) < 0.99


def covered(mean: float, spread: float | None, pictures: int, nbits: int = 32) -> float:
    """How often the interval covers `mean`; a picture's own accuracy is Beta with this spread.

    The larger the spread, from 0 to 1, the more alike are the bits of a picture.
    """
    rng = np.random.default_rng(0)
    rounds, hits = 300, 0
    for _ in range(rounds):
        own = np.full(pictures, mean)
        if spread is not None:
            own = rng.beta(mean * (1 / spread - 1), (1 - mean) * (1 / spread - 1), pictures)
        right = rng.binomial(nbits, own)
        sums = int(right.sum()), int(np.square(right).sum()), int((right == nbits).sum())
        found = bit_interval(pictures, nbits, *sums)
        hits += found.low <= mean <= found.high
    return hits / rounds


@pytest.mark.parametrize("pictures", [20, 200])
@pytest.mark.parametrize("mean", [0.5, 0.98, 0.995])
@pytest.mark.parametrize("spread", [None, 0.1, 0.5])
def test_intervals_cover_the_truth_though_bits_of_a_picture_fail_together(
    mean: float, spread: float | None, pictures: int
) -> None:
    assert covered(mean, spread, pictures) > 0.91  # of 0.95, within 300 rounds' chance


def test_bits_as_units_would_cover_it_far_too_seldom() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        right = int(rng.binomial(32, rng.beta(0.9, 0.1, 200)).sum())
        found = share_interval(right, 200 * 32)
        hits += found.low <= 0.9 <= found.high
    assert hits / 200 < 0.7


def test_pictures_all_read_right_count_as_one_trial_each() -> None:
    assert bit_interval(50, 32, 50 * 32, 50 * 32**2, 50) == share_interval(50, 50)


def test_equal_pictures_and_single_ones_have_an_interval_too() -> None:
    equal = bit_interval(100, 32, 100 * 31, 100 * 31**2, 0)
    assert 0.95 < equal.low < 31 / 32 < equal.high < 0.98
    single = bit_interval(1, 32, 16, 256, 0)
    assert 0 <= single.low < 0.1
    assert 0.9 < single.high <= 1
    assert not math.isnan(single.low + single.high)
