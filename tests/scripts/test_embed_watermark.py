"""`chunkport embed-watermark` as a user types it: files, formats, refusals and reading back."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    import subprocess

Run = Callable[..., "subprocess.CompletedProcess[str]"]
MESSAGE = "deadbeef"  # what the checkpoint `saying` reads


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(90, 160, (40, 60, 4), dtype=np.uint8)
    Image.fromarray(pixels[..., :3]).save(tmp_path / "photo.png", icc_profile=b"a profile")
    Image.fromarray(pixels).save(tmp_path / "glass.png")
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned by a quarter
    Image.fromarray(pixels[..., :3]).save(tmp_path / "phone.jpg", exif=turned)
    return tmp_path / "photo.png"


def test_pictures_are_marked_beside_themselves_and_read_back(
    run_here: Run, saying: Path, picture: Path
) -> None:
    done = run_here("embed-watermark", saying, picture, "--message", MESSAGE)
    assert done.returncode == 0, done.stderr
    assert f"message {MESSAGE}, 32 bits" in done.stdout
    assert " yes " in done.stdout
    assert "Warning" not in done.stderr
    path = picture.with_name("photo_marked.png")
    marked, original = Image.open(path), Image.open(picture)
    assert marked.info["icc_profile"] == b"a profile"
    change = np.asarray(marked).astype(float) - np.asarray(original)
    assert 36 < 20 * np.log10(255 / np.sqrt(np.square(change).mean())) < 40
    next_line = done.stdout.splitlines()[-1]
    assert next_line == (f"Next: chunkport detect-watermark {saying} {path} --message {MESSAGE}")


@pytest.mark.parametrize("decibels", [30, 45])
def test_a_mark_is_as_faint_as_it_is_asked_to_be(
    run_here: Run, saying: Path, picture: Path, decibels: int
) -> None:
    asked = ("--message", MESSAGE, "--psnr-db", str(decibels), "--format", "json")
    done = run_here("embed-watermark", saying, picture, *asked)
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)["pictures"][0]
    assert row["psnr_db"] == pytest.approx(decibels, abs=0.6)  # rounding to bytes adds to it


def test_transparency_and_the_way_a_camera_was_held_are_kept(
    run_here: Run, saying: Path, picture: Path, tmp_path: Path
) -> None:
    names = picture.with_name("glass.png"), picture.with_name("phone.jpg")
    done = run_here(
        "embed-watermark", saying, *names, "--message", MESSAGE, "-o", tmp_path / "new" / "out"
    )
    assert done.returncode == 0, done.stderr
    glass = Image.open(tmp_path / "new" / "out" / "glass_marked.png")
    assert glass.getchannel("A").tobytes() == Image.open(names[0]).getchannel("A").tobytes()
    phone = Image.open(tmp_path / "new" / "out" / "phone_marked.png")
    assert phone.size == (40, 60)
    assert 0x0112 not in phone.getexif()


def test_a_jpeg_where_one_is_named_of_the_quality_asked_for(
    run_here: Run, saying: Path, picture: Path, tmp_path: Path
) -> None:
    sizes = {}
    for quality in (30, 95):
        target = tmp_path / f"{quality}.jpg"
        asked = ("--message", MESSAGE, "-o", target, "--quality", quality)
        done = run_here("embed-watermark", saying, picture.with_name("glass.png"), *asked)
        assert done.returncode == 0, done.stderr
        assert "a JPEG has no transparency" in done.stderr
        assert Image.open(target).format == "JPEG"
        sizes[quality] = target.stat().st_size
    assert sizes[30] < sizes[95]


def test_a_mark_that_does_not_read_back_is_said_loudly_and_fails(
    run_here: Run, tinyseal_checkpoint: Path, picture: Path
) -> None:
    asked = ("--message", "random", "--seed", "7", "--format", "json")
    done = run_here("embed-watermark", tinyseal_checkpoint, picture, *asked)
    assert done.returncode == 1
    document: dict[str, Any] = json.loads(done.stdout)
    (row,) = document["pictures"]
    assert document["message"] == "ef4d6838"
    assert document["passed"] is row["reads_back"] is False
    assert 0 < row["wrong_bits"] <= 32
    assert Path(row["path"]).is_file()
    assert f"{row['path']}: DOES NOT SAY the message: {row['wrong_bits']} of 32" in done.stderr


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--message", "dead"), "have 32 bits; write 8 hexadecimal digits or 32 digits"),
        (("--message", MESSAGE, "-o", "a.gif"), "are written as .png, .jpg, .jpeg"),
        (("--message", MESSAGE, "-o", "photo.png"), "already there; add --force to replace"),
        (("--message", MESSAGE, "--psnr-db", "nan"), "'nan' is no number"),
        ((), "Missing option '--message'"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_line(
    run_here: Run, saying: Path, picture: Path, flags: tuple[str, ...], said: str
) -> None:
    before = picture.read_bytes()
    done = run_here("embed-watermark", saying, picture, *flags)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert picture.read_bytes() == before


def test_no_picture_is_overwritten_without_force_nor_two_written_into_one(
    run_here: Run, saying: Path, picture: Path, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    twin = tmp_path / "other" / "photo.png"
    twin.write_bytes(picture.read_bytes())
    (tmp_path / "link").symlink_to(tmp_path)
    ask = ("embed-watermark", saying, picture, "--message", MESSAGE)
    for second in ((twin, "-o", tmp_path), (tmp_path / "link" / "photo.jpg",)):
        both = run_here(*ask, *second)
        assert both.returncode == 2
        assert "photo_marked.png: would hold two pictures" in both.stderr
    assert run_here(*ask).returncode == 0
    again = run_here(*ask)
    assert again.returncode == 2
    assert "photo_marked.png: already there; add --force" in again.stderr
    assert run_here(*ask, "--force").returncode == 0


def test_no_picture_is_written_over_one_that_is_yet_to_be_read_nor_over_a_folder(
    run_here: Run, saying: Path, picture: Path, tmp_path: Path
) -> None:
    ask = ("embed-watermark", saying, picture, "--message", MESSAGE, "--force")
    marked = picture.with_name("photo_marked.png")
    marked.write_bytes(picture.read_bytes())
    chained = run_here(*ask, marked)
    assert chained.returncode == 2
    assert "photo_marked.png: is to be written, and is one of the PICTUREs too" in chained.stderr
    assert marked.read_bytes() == picture.read_bytes()
    onto_itself = run_here(*ask, "-o", picture)
    assert onto_itself.returncode == 0, onto_itself.stderr
    (tmp_path / "out" / "photo_marked.png").mkdir(parents=True)
    occupied = run_here(*ask, "-o", tmp_path / "out")
    assert occupied.returncode == 2
    assert "photo_marked.png: is a folder; remove it" in occupied.stderr


def test_of_an_animation_the_first_picture_is_marked_and_that_is_said(
    run_here: Run, saying: Path, picture: Path
) -> None:
    still = Image.open(picture)
    moving = picture.with_name("moving.gif")
    still.save(moving, save_all=True, append_images=[still.rotate(180)])
    done = run_here("embed-watermark", saying, moving, "--message", MESSAGE)
    assert done.returncode == 0, done.stderr
    assert "moving.gif: holds 2 pictures; only the first is marked" in done.stderr


def test_bad_inputs_are_named(run_here: Run, saying: Path, picture: Path, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    Image.new("RGB", (200, 9)).save(tmp_path / "thin.png")
    alone = tmp_path / "alone.pth"
    run_here("extract-detector-weights", saying, "-o", alone)
    for checkpoint, name, said in (
        (saying, "text.png", "text.png: is no picture that can be read"),
        (saying, "thin.png", "thin.png: is 200 x 9 pixels, too small for a mark"),
        (saying, "absent.png", "absent.png: is no picture that can be read"),
        (alone, "photo.png", "alone.pth: holds no watermark embedder"),
    ):
        pictures = picture, picture.with_name(name)  # of which not even the good one is written
        done = run_here(
            "embed-watermark", checkpoint, *dict.fromkeys(pictures), "--message", MESSAGE
        )
        assert done.returncode == 5, done.stderr
        assert said in done.stderr
        assert "Traceback" not in done.stderr
        assert not list(tmp_path.glob("*_marked.png"))
