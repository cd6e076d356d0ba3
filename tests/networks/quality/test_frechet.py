import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import linalg

from networks.quality.frechet import frechet_distance

Sample = NDArray[np.float64]


def drawn(count: int, width: int, seed: int) -> Sample:
    return np.random.default_rng(seed).standard_normal((count, width))


def as_published(x: Sample, y: Sample) -> float:
    """Heusel et al. 2017, equation 6, by a general matrix root."""
    spread, other = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = linalg.sqrtm(spread @ other).real
    moved = np.square(x.mean(axis=0) - y.mean(axis=0)).sum()
    return float(moved + np.trace(spread + other - 2 * root))


def test_it_is_the_formula() -> None:
    mixing = drawn(6, 6, 2)
    x, y = drawn(40, 6, 0), drawn(30, 6, 1) @ mixing + 0.5
    assert frechet_distance(x, y) == pytest.approx(as_published(x, y), rel=1e-6)
    assert frechet_distance(y, x) == pytest.approx(frechet_distance(x, y), rel=1e-6)


def test_equal_sets_are_not_apart_and_a_shift_is_its_square() -> None:
    x = drawn(50, 8, 0)
    assert frechet_distance(x, x.copy()) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(x, x + 0.5) == pytest.approx(8 * 0.25, rel=1e-6)


def test_fewer_pictures_than_features_have_a_distance_too() -> None:
    x, y = drawn(5, 16, 0), drawn(5, 16, 1)
    assert np.isfinite(frechet_distance(x, y))
    assert frechet_distance(x, np.zeros_like(x)) > 0


def test_its_bias_is_the_one_that_is_told() -> None:
    width, count = 16, 250
    seen = [
        frechet_distance(drawn(count, width, 2 * seed), drawn(count, width, 2 * seed + 1))
        for seed in range(20)
    ]
    told = width**2 / (2 * count) + 2 * width / count
    assert np.mean(seen) == pytest.approx(told, rel=0.15)


def test_sets_of_another_width_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(4, 2\) and \(4, 3\) cannot be compared"):
        frechet_distance(drawn(4, 2, 0), drawn(4, 3, 0))
