"""Drawing only what a folder lacks, and only into a folder of the same pictures."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from chunkport.errors import BadInputError, UsageError
from train.picture_files import undrawn, write_pictures
from train.scenes import scene_drawings, write_scenes


def test_what_an_interruption_left_out_is_drawn_and_the_rest_left_alone(tmp_path: Path) -> None:
    write_scenes(tmp_path / "whole", 4, 7, size=32)
    half = tmp_path / "half"
    write_scenes(half, 2, 7, size=32)
    (half / ".scene_00002.png.0123abcd.tmp").write_bytes(b"of a killed process")
    missing = undrawn(half, scene_drawings(half, 4, 7, 32))
    assert missing is not None
    assert [path.name for path in missing] == ["scene_00002.png", "scene_00003.png"]
    write_pictures(missing)
    for path in (tmp_path / "whole").iterdir():
        assert path.read_bytes() == (half / path.name).read_bytes()
    assert undrawn(half, scene_drawings(half, 4, 7, 32)) == {}


def test_a_folder_that_is_missing_lacks_everything(tmp_path: Path) -> None:
    drawings = scene_drawings(tmp_path / "none", 3, 0, 32)
    assert undrawn(tmp_path / "none", drawings) == drawings


@pytest.mark.parametrize(
    ("count", "seed", "size"), [(2, 0, 32), (3, 1, 32), (3, 0, 40)], ids=["count", "seed", "size"]
)
def test_pictures_of_another_run_are_told(tmp_path: Path, count: int, seed: int, size: int) -> None:
    write_scenes(tmp_path, 3, 0, size=32)
    assert undrawn(tmp_path, scene_drawings(tmp_path, count, seed, size)) is None


def test_a_photograph_among_them_is_told(tmp_path: Path) -> None:
    write_scenes(tmp_path, 1, 0, size=32)
    (tmp_path / "own").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "own" / "photo.jpg")
    assert undrawn(tmp_path, scene_drawings(tmp_path, 3, 0, 32)) is None


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "scene_00000.png").write_bytes(b"no picture")
    with pytest.raises(BadInputError, match=r"scene_00000\.png: cannot be read"):
        undrawn(tmp_path, scene_drawings(tmp_path, 3, 0, 32))


@pytest.mark.integration
@pytest.mark.integration
def test_what_pillow_grumbles_about_is_read_in_silence(tmp_path: Path) -> None:
    odd = b"Exif\0\0II*\0" + b"\xff" * 24
    Image.new("L", (8, 8)).save(tmp_path / "odd.jpg", exif=odd)
    reads = "import sys, pathlib; from train.picture_files import open_picture as read; "
    reads += "print(read(pathlib.Path(sys.argv[1]), upright=True).size)"
    command = [sys.executable, "-c", reads, str(tmp_path / "odd.jpg")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("(8, 8)\n", "")


def test_a_full_disk_is_told_and_leaves_whole_pictures(small_disk: Path) -> None:
    with pytest.raises(UsageError, match=r"\(No space left on device\); free some space"):
        write_scenes(small_disk / "scenes", 100, 0, size=192)
    written = list((small_disk / "scenes").iterdir())
    assert 0 < len(written) < 100
    for path in written:
        with Image.open(path) as picture:
            picture.load()
