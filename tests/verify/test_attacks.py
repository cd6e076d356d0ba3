"""Each attack: that it does what its name says, and the same again from the same seed."""

import io

import numpy as np
import pytest
from PIL import Image

from chunkport.errors import UsageError
from verify.attacks import ATTACKS, Pixels, attacked, find_attack

NAMES = [attack.name for attack in ATTACKS]
TAKES_CHANCE = {"crop-0.9", "crop-0.75", "rotate-2", "rotate-5", "rotate-10", "screenshot"} | {
    "noise-0.02",
    "noise-0.05",
}


@pytest.fixture(scope="module")
def pixels() -> Pixels:
    """60 x 80 pixels, smooth but for some texture, neither dark nor bright."""
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(60, 190, (8, 10, 3), dtype=np.uint8))
    smooth = np.asarray(small.resize((80, 60), Image.Resampling.BICUBIC), dtype=np.int16)
    return np.asarray((smooth + rng.integers(-6, 7, smooth.shape)).clip(0, 255), dtype=np.uint8)


def after(pixels: Pixels, name: str, seed: int = 0, number: int = 0) -> Pixels:
    return attacked(pixels, find_attack(name), seed, number)


def difference(one: Pixels, other: Pixels) -> float:
    return float(np.abs(one.astype(float) - other).mean())


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_and_number_give_the_same_bytes(pixels: Pixels, name: str) -> None:
    given = pixels.copy()
    first, again = after(pixels, name), after(pixels, name)
    assert first.dtype == np.uint8
    assert first.ndim == 3
    assert first.shape[2] == 3
    assert np.array_equal(first, again)
    assert np.array_equal(pixels, given)  # the picture itself is left alone
    assert np.array_equal(pixels, first) == (name == "none")


@pytest.mark.parametrize("name", NAMES)
def test_seed_and_number_decide_what_is_left_to_chance_and_nothing_else(
    pixels: Pixels, name: str
) -> None:
    by_number = {after(pixels, name, 0, number).tobytes() for number in range(6)}
    by_seed = {after(pixels, name, seed, 0).tobytes() for seed in range(6)}
    assert (len(by_number) > 1) == (len(by_seed) > 1) == (name in TAKES_CHANCE)


def test_names_are_unique_and_said_in_plain_words() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert all(attack.meaning and "\n" not in attack.meaning for attack in ATTACKS)


def test_an_unknown_attack_is_refused_with_the_choices() -> None:
    with pytest.raises(UsageError, match=r"unknown attack 'jpeg-55'; attacks: none, jpeg-90"):
        find_attack("jpeg-55")


def test_jpeg_is_what_a_file_of_that_quality_holds(pixels: Pixels) -> None:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="JPEG", quality=50)
    assert np.array_equal(after(pixels, "jpeg-50"), np.asarray(Image.open(file)))


@pytest.mark.parametrize(
    "from_weak_to_strong",
    [
        ("jpeg-90", "jpeg-70", "jpeg-50"),
        ("blur-1", "blur-2"),
        ("noise-0.02", "noise-0.05"),
        ("rotate-2", "rotate-5", "rotate-10"),
    ],
)
def test_stronger_ones_change_more(pixels: Pixels, from_weak_to_strong: tuple[str, ...]) -> None:
    changes = [difference(pixels, after(pixels, name)) for name in from_weak_to_strong]
    assert changes[0] > 0
    assert changes == sorted(set(changes))


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("resize-0.5", (30, 40, 3)),
        ("resize-0.75", (45, 60, 3)),
        ("resize-1.5", (90, 120, 3)),
        ("resize-2", (120, 160, 3)),
        ("crop-0.9", (54, 72, 3)),
        ("crop-0.75", (45, 60, 3)),
        ("rotate-10", (60, 80, 3)),
        ("blur-2", (60, 80, 3)),
    ],
)
def test_the_picture_has_the_size_that_it_is_given(
    pixels: Pixels, name: str, shape: tuple[int, ...]
) -> None:
    assert after(pixels, name).shape == shape


def test_a_crop_is_a_part_of_the_picture(pixels: Pixels) -> None:
    part = after(pixels, "crop-0.75", number=3)
    windows = np.lib.stride_tricks.sliding_window_view(pixels, part.shape)[:, :, 0]
    places = (windows == part).all(axis=(2, 3, 4))
    assert places.sum() == 1


def test_a_turn_empties_the_corners_and_keeps_the_middle(pixels: Pixels) -> None:
    turned = after(pixels, "rotate-10")
    assert not turned[0, 0].any()
    assert not turned[-1, -1].any()
    assert difference(turned[28:32, 38:42], pixels[28:32, 38:42]) < 15


@pytest.mark.parametrize(("name", "sigma"), [("noise-0.02", 5.1), ("noise-0.05", 12.75)])
def test_noise_is_as_strong_as_it_says(name: str, sigma: float) -> None:
    gray = np.full((100, 100, 3), 128, dtype=np.uint8)
    assert (after(gray, name) - 128.0).std() == pytest.approx(sigma, rel=0.05)


@pytest.mark.parametrize(("name", "factor"), [("brightness-0.7", 0.7), ("brightness-1.3", 1.3)])
def test_brightness_scales_every_value(pixels: Pixels, name: str, factor: float) -> None:
    np.testing.assert_allclose(after(pixels, name), np.minimum(pixels * factor, 255), atol=1)


@pytest.mark.parametrize(("name", "factor"), [("contrast-0.7", 0.7), ("contrast-1.3", 1.3)])
def test_contrast_scales_the_spread_and_keeps_the_mean(
    pixels: Pixels, name: str, factor: float
) -> None:
    changed = after(pixels, name)
    assert changed.mean() == pytest.approx(pixels.mean(), abs=2)
    assert changed.std() == pytest.approx(pixels.std() * factor, rel=0.05)


def test_screenshots_are_smaller_and_cut_or_framed(pixels: Pixels) -> None:
    heights = [after(pixels, "screenshot", number=number).shape[0] for number in range(20)]
    assert min(heights) < 48 < max(heights) < 60


def test_a_picture_of_one_pixel_survives_them_all() -> None:
    dot = np.full((1, 1, 3), 100, dtype=np.uint8)
    for attack in ATTACKS:
        assert min(attacked(dot, attack, 0, 0).shape) >= 1
