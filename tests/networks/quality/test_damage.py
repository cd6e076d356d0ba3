import numpy as np

from networks.quality.damage import blurred, noisy

GREY = np.full((4, 1, 128, 128), 128, np.uint8)


def test_noise_is_as_strong_as_asked_and_the_seed_decides_it() -> None:
    found = noisy(GREY, 3, 12.0)
    assert abs(found.astype(float).std() - 12) < 0.2
    assert np.array_equal(found, noisy(GREY, 3, 12.0))
    assert not np.array_equal(found, noisy(GREY, 4, 12.0))
    assert not np.array_equal(found[0], found[1])


def test_blur_spreads_a_point_and_keeps_pictures_apart() -> None:
    pictures = np.zeros((2, 1, 128, 128), np.uint8)
    pictures[0, 0, 64, 64] = 255
    found = blurred(pictures, 1.0)
    assert found[0, 0, 64, 64] == round(255 / (2 * np.pi))
    assert found[0, 0, 64, 63] == found[0, 0, 63, 64] > 0
    assert found[1].max() == 0
