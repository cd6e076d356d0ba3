import numpy as np

from networks.quality.copies import nearest_pairs, share_below, thumbnails, unusual
from networks.quality.damage import blurred, noisy
from networks.quality.judgement import RealPictures


def test_thumbnails_are_means_of_cells() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (2, 1, 128, 128), dtype=np.uint8)
    small = thumbnails(pictures)
    assert small.shape == (2, 32, 32)
    assert np.isclose(small[1, 3, 5], pictures[1, 0, 12:16, 20:24].mean())


def test_copies_come_first_with_the_picture_that_they_are_of(
    real_fruit: RealPictures, unseen_fruit: RealPictures
) -> None:
    training = thumbnails(real_fruit.pictures)
    drawn = unseen_fruit.pictures[:20].copy()
    drawn[7], drawn[3] = real_fruit.pictures[11], noisy(real_fruit.pictures[50:51], 0)[0]
    first, second, third, *_ = nearest_pairs(thumbnails(drawn), training)
    assert (first.generated, first.real) == (7, 11)
    assert first.closeness < 1e-4 > first.distance
    assert (second.generated, second.real) == (3, 50)
    assert second.closeness < 0.6 < third.closeness <= 1


def test_a_copy_of_what_is_there_twice_stands_out_too(real_fruit: RealPictures) -> None:
    training = thumbnails(np.concatenate([real_fruit.pictures, real_fruit.pictures[:1]]))
    (pair,) = nearest_pairs(training[:1], training)
    assert pair.closeness < 1e-4


def test_smooth_pictures_are_not_taken_for_copies(
    real_fruit: RealPictures, unseen_fruit: RealPictures
) -> None:
    training = thumbnails(real_fruit.pictures)

    def closeness(pictures: "np.typing.NDArray[np.uint8]") -> "np.typing.NDArray[np.float64]":
        return np.array([it.closeness for it in nearest_pairs(thumbnails(pictures), training)])

    threshold = unusual(closeness(unseen_fruit.pictures))
    assert share_below(closeness(unseen_fruit.pictures), threshold) == 0.05
    assert share_below(closeness(blurred(unseen_fruit.pictures, 4)), threshold) < 0.15
