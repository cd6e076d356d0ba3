from math import comb

import numpy as np
import pytest
from numpy.typing import NDArray

from networks.quality.set_distance import chance_kid, paired_kid

Sample = NDArray[np.float64]


def brute_force(x: Sample, y: Sample) -> float:
    """Gretton et al. 2012, equation 4, as it is written there."""
    count, width = len(x), len(x[0])

    def k(a: Sample, b: Sample) -> float:
        return float((a @ b / width + 1) ** 3)

    total = sum(
        k(x[i], x[j]) + k(y[i], y[j]) - k(x[i], y[j]) - k(x[j], y[i])
        for i in range(count)
        for j in range(count)
        if i != j
    )
    return float(total) / (count * (count - 1))


def drawn(count: int, width: int, seed: int, shift: float = 0.0) -> Sample:
    return np.random.default_rng(seed).standard_normal((count, width)) + shift


def test_it_is_the_formula() -> None:
    x, y = drawn(12, 5, 0), drawn(12, 5, 1, shift=0.3)
    assert paired_kid(x, y).value == pytest.approx(brute_force(x, y), rel=1e-12)


def test_its_standard_error_is_that_of_leaving_each_out() -> None:
    x, y = drawn(12, 5, 0), drawn(12, 5, 1, shift=0.3)
    without = np.array(
        [brute_force(np.delete(x, i, axis=0), np.delete(y, i, axis=0)) for i in range(12)]
    )
    expected = np.sqrt(11 / 12 * np.square(without - without.mean()).sum())
    assert paired_kid(x, y).standard_error == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("scale", [1.0, 50.0])
def test_equal_sets_are_not_apart_at_all(scale: float) -> None:
    x = scale * drawn(64, 16, 0).astype(np.float32)
    kid = paired_kid(x, x.copy())
    assert (kid.value, kid.lowest, kid.highest) == (0, 0, 0)


def test_it_comes_out_the_same_for_pictures_in_another_order() -> None:
    x, y = drawn(64, 8, 0), drawn(64, 8, 1)
    order = np.random.default_rng(2).permutation(64)
    assert paired_kid(x[order], y[order]).value == pytest.approx(paired_kid(x, y).value, rel=1e-9)


def moment(power: int, shift: float) -> float:
    """Of numbers that are evenly spread from shift - 1 to shift + 1."""
    return ((shift + 1) ** (power + 1) - (shift - 1) ** (power + 1)) / (2 * (power + 1))


def test_it_is_unbiased_and_its_interval_covers_the_truth() -> None:
    # The kernel's powers compare the first three moments of numbers.
    truth = sum(comb(3, n) * (moment(n, 0) - moment(n, 0.3)) ** 2 for n in range(4))
    rng = np.random.default_rng(0)
    found = [
        paired_kid(rng.uniform(-1, 1, (200, 1)), rng.uniform(-0.7, 1.3, (200, 1)))
        for _ in range(400)
    ]
    values = np.array([kid.value for kid in found])
    assert values.mean() == pytest.approx(truth, abs=4 * values.std() / np.sqrt(len(values)))
    covered = np.mean([kid.lowest <= truth <= kid.highest for kid in found])
    assert 0.92 < covered <= 0.98


def test_the_upper_end_lies_above_nothing_where_nothing_differs_but_chance() -> None:
    draws = (drawn(100, 4, seed) for seed in range(400))
    found = [paired_kid(one, other) for one, other in zip(draws, draws, strict=True)]
    assert np.mean([kid.highest >= 0 for kid in found]) > 0.9
    assert abs(np.mean([kid.value for kid in found])) < 0.02


def test_sets_that_do_not_pair_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(4, 2\) and \(5, 2\) cannot be compared"):
        paired_kid(drawn(4, 2, 0), drawn(5, 2, 0))


def test_chance_is_of_the_size_of_what_two_draws_differ_by() -> None:
    seen = [
        paired_kid(drawn(128, 8, 2 * seed), drawn(128, 8, 2 * seed + 1)).value for seed in range(64)
    ]
    typical = float(np.sqrt(np.square(seen).mean()))
    assert typical / 2 < chance_kid(drawn(256, 8, 999)) < typical * 2


def test_chance_comes_out_alike_for_a_seed() -> None:
    x = drawn(40, 4, 0)
    assert chance_kid(x, 3) == chance_kid(x, 3) != chance_kid(x, 4)


def test_too_few_to_halve_are_refused() -> None:
    with pytest.raises(ValueError, match="7 pictures are too few"):
        chance_kid(drawn(7, 2, 0))
