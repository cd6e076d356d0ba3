"""Generated pictures as files: their names, and what is never replaced unasked."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from chunkport.errors import UsageError
from verify.picture_folder import free_folder, picture_files, write_picture_folder


def made(count: int, seed: int = 0, channels: int = 1) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, channels, 4, 6), dtype=np.uint8)


def test_each_picture_is_a_file_and_the_first_ones_a_square(tmp_path: Path) -> None:
    pictures = made(9)
    written = write_picture_folder(picture_files(pictures, 3, 9), tmp_path / "new")
    assert [path.name for path in written.samples] == [
        "sample_000.png",
        "sample_001.png",
        "sample_002.png",
    ]
    for path, picture in zip(written.samples, pictures, strict=False):
        np.testing.assert_array_equal(np.asarray(Image.open(path)), picture[0])
    assert written.grid == tmp_path / "new" / "grid_9.png"
    grid = np.asarray(Image.open(written.grid))
    assert grid.shape == (12, 18)
    np.testing.assert_array_equal(grid[4:8, 12:], pictures[5, 0])
    assert (written.written, written.others) == (4, ())
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "grid_9.png",
        *(path.name for path in written.samples),
    ]


def test_colours_stay_and_no_grid_is_drawn_unasked(tmp_path: Path) -> None:
    pictures = made(1, channels=3)
    written = write_picture_folder(picture_files(pictures, 1, 0), tmp_path)
    assert written.grid is None
    np.testing.assert_array_equal(
        np.asarray(Image.open(written.samples[0])), np.moveaxis(pictures[0], 0, -1)
    )


def test_the_same_pictures_may_be_asked_for_again_and_more_of_them(tmp_path: Path) -> None:
    pictures = made(6)
    write_picture_folder(picture_files(pictures[:4], 2, 4), tmp_path)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    again = write_picture_folder(picture_files(pictures, 6, 4), tmp_path)
    assert again.written == 4
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())


def test_another_picture_is_replaced_only_with_force(tmp_path: Path) -> None:
    before = write_picture_folder(picture_files(made(3), 3, 0), tmp_path)
    kept = {path: path.read_bytes() for path in before.samples}
    other = made(3, seed=1)
    with pytest.raises(UsageError, match=r"sample_000.png: another picture is there.*and 1 more"):
        write_picture_folder(picture_files(other, 2, 3), tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == kept
    after = write_picture_folder(picture_files(other, 2, 0), tmp_path, force=True)
    assert after.samples[0].read_bytes() != kept[before.samples[0]]
    assert after.others == (before.samples[2],)
    assert before.samples[2].read_bytes() == kept[before.samples[2]]


def test_a_thousand_pictures_keep_their_order_by_name(tmp_path: Path) -> None:
    (tmp_path / "sample_1001.png").touch()
    (tmp_path / "sample_0a1.png").touch()
    written = write_picture_folder(picture_files(made(1), 1, 0), tmp_path)
    assert written.others == (tmp_path / "sample_1001.png",)


def test_the_next_folder_is_free_of_other_pictures(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    first, second, third = (picture_files(made(2, seed), 2, 0) for seed in range(3))
    assert free_folder(first, folder) == folder
    write_picture_folder(first, folder)
    assert free_folder(first, folder) == folder
    assert free_folder(second, folder) == tmp_path / "pictures_2"
    write_picture_folder(second, tmp_path / "pictures_2")
    assert free_folder(third, folder) == tmp_path / "pictures_3"
    assert free_folder(second, folder) == tmp_path / "pictures_2"
