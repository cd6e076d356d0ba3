import numpy as np

from networks.quality.neighbours import distances_between, nearest_of


def test_distances_are_rms_differences() -> None:
    rng = np.random.default_rng(0)
    ones, others = rng.random((5, 3, 4)), rng.random((7, 3, 4), dtype=np.float32)
    plain = np.array([[np.sqrt(np.square(one - other).mean()) for other in others] for one in ones])
    np.testing.assert_allclose(distances_between(ones, others), plain, rtol=1e-9)


def test_the_nearest_are_found_in_order_however_many_are_asked_about() -> None:
    rng = np.random.default_rng(1)
    ones, others = rng.random((1100, 3)), rng.random((40, 3))  # more than are looked at at once
    apart, places = nearest_of(ones, others, rank=4)
    whole = distances_between(ones, others)
    np.testing.assert_array_equal(places, whole.argsort(axis=1)[:, :4])
    np.testing.assert_allclose(apart, np.sort(whole, axis=1)[:, :4], rtol=1e-9)
