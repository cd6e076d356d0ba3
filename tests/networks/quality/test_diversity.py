import numpy as np
import pytest

from networks.quality.diversity import distances, mean_distance, nearest_distances


def test_distances_are_rms_differences_of_pairs() -> None:
    pictures = np.random.default_rng(0).random((6, 4, 5, 1), dtype=np.float32)
    apart = distances(pictures)
    for one in range(6):
        for other in range(6):
            plain = np.sqrt(np.square(pictures[one] - pictures[other].astype(np.float64)).mean())
            assert apart[one, other] == pytest.approx(plain, rel=1e-9)


def test_a_little_difference_on_a_bright_ground_is_not_lost() -> None:
    pictures = np.full((3, 64), 0.9, dtype=np.float64)
    pictures[1] += 1e-6
    pictures[2] -= 1e-6
    assert distances(pictures)[0] == pytest.approx([0, 1e-6, 1e-6], rel=1e-3)


def test_the_mean_is_over_pairs_of_two() -> None:
    apart = distances(np.array([[0.0], [1.0], [3.0]]))
    assert mean_distance(apart) == pytest.approx((1 + 3 + 2) / 3)
    assert nearest_distances(apart) == pytest.approx([1, 1, 2])


def test_one_picture_over_and_over_has_no_distance() -> None:
    apart = distances(np.tile(np.random.default_rng(0).random(100), (5, 1)))
    assert mean_distance(apart) < 1e-7
    assert nearest_distances(apart).max() < 1e-7
