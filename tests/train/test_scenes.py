"""Drawn scenes: repeatable, and as varied as the pictures that they stand in for."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from chunkport.errors import UsageError
from train.scenes import SIZE, render_scene, write_scenes


@pytest.fixture(scope="module")
def many() -> NDArray[np.uint8]:
    """The first 300 scenes, (300, 192, 192, 3)."""
    return np.stack([render_scene(seed) for seed in range(300)])


def luminance(pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
    return np.asarray(pictures @ np.array([0.299, 0.587, 0.114]))


def test_the_same_seed_gives_the_same_bytes_and_another_gives_others(
    many: NDArray[np.uint8],
) -> None:
    for seed in range(40):  # every kind of layer occurs
        again = render_scene(seed)
        assert again.shape == (SIZE, SIZE, 3)
        assert again.dtype == np.uint8
        assert again.tobytes() == many[seed].tobytes()
    assert len({picture.tobytes() for picture in many}) == len(many)


@pytest.mark.parametrize("size", [32, 100, 256])
def test_any_size_can_be_drawn(size: int) -> None:
    pictures = np.stack([render_scene(seed, size) for seed in range(60)])
    assert pictures.shape == (60, size, size, 3)
    assert len({picture.tobytes() for picture in pictures}) == 60


def test_some_are_dark_some_bright_and_most_between(many: NDArray[np.uint8]) -> None:
    brightness = many.mean(axis=(1, 2, 3))
    fifth, quarter, three_quarters, last = np.percentile(brightness, [5, 25, 75, 95])
    assert fifth < 60
    assert last > 180
    assert three_quarters - quarter > 40


def test_some_are_smooth_and_some_are_busy(many: NDArray[np.uint8]) -> None:
    """The standard deviation within 8x8 blocks, averaged over a picture."""
    blocks = luminance(many).reshape(len(many), SIZE // 8, 8, SIZE // 8, 8)
    busy = blocks.std(axis=(2, 4)).mean(axis=(1, 2))
    assert np.percentile(busy, 5) < 4
    assert np.percentile(busy, 95) > 25


def test_some_are_gray_and_some_are_vivid(many: NDArray[np.uint8]) -> None:
    spread = (many.max(axis=3).astype(int) - many.min(axis=3)).mean(axis=(1, 2))
    assert np.percentile(spread, 5) < 3
    assert np.percentile(spread, 95) > 75


def test_their_power_falls_with_frequency_as_that_of_photographs(
    many: NDArray[np.uint8],
) -> None:
    """About frequency ** -2 (Field 1987), averaged over pictures and directions."""
    gray = luminance(many)
    window = np.hanning(SIZE)[:, None] * np.hanning(SIZE)
    centred = (gray - gray.mean(axis=(1, 2), keepdims=True)) * window
    power = (np.abs(np.fft.fft2(centred)) ** 2).mean(axis=0)
    across = np.fft.fftfreq(SIZE) * SIZE
    ring = np.hypot(across, across[:, None]).round()
    radii = np.arange(3, 80)
    fall = np.array([power[ring == radius].mean() for radius in radii])
    slope = np.polyfit(np.log(radii), np.log(fall), 1)[0]
    assert -2.6 < slope < -1.7


def test_scenes_are_written_in_order_and_the_same_each_time(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    count = write_scenes(
        tmp_path / "a", 3, 5, lambda done, total: calls.append((done, total)), size=64
    )
    assert count == 3
    assert calls == [(1, 3), (2, 3), (3, 3)]
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["scene_00000.png", "scene_00001.png", "scene_00002.png"]

    write_scenes(tmp_path / "longer", 5, 5, size=64)
    write_scenes(tmp_path / "other", 3, 6, size=64)
    for name in names:
        written = (tmp_path / "a" / name).read_bytes()
        assert written == (tmp_path / "longer" / name).read_bytes()
        assert written != (tmp_path / "other" / name).read_bytes()
        with Image.open(tmp_path / "a" / name) as picture:
            assert picture.mode == "RGB"
            assert picture.size == (64, 64)


def test_a_picture_in_the_way_is_kept_unless_forced(tmp_path: Path) -> None:
    own = tmp_path / "scene_00001.png"
    own.write_bytes(b"a photograph")
    with pytest.raises(UsageError, match=r"scene_00001\.png: exists already; use --force"):
        write_scenes(tmp_path, 2, 0, size=32)
    assert own.read_bytes() == b"a photograph"
    assert not (tmp_path / "scene_00000.png").exists()

    write_scenes(tmp_path, 2, 0, size=32, force=True)
    with Image.open(own) as picture:
        assert picture.size == (32, 32)
