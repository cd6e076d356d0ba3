"""Reading any folder of pictures in colour, and holding some of them out."""

import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from chunkport.errors import BadInputError, UsageError
from train.pictures import PictureSet, load_pictures, read_picture, split_held_out
from train.scenes import render_scene, write_scenes

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
ORIENTATION = 0x0112  # the tag in EXIF


def colour_at(picture: torch.Tensor, row: int, column: int) -> tuple[int, ...]:
    return tuple(picture[:, row, column].tolist())


def named(names: list[str]) -> PictureSet:
    """A set whose first pixel is the picture's number."""
    pictures = torch.arange(len(names), dtype=torch.uint8).reshape(-1, 1, 1, 1)
    return PictureSet(pictures.repeat(1, 3, 2, 2), tuple(names))


def test_a_written_scene_comes_back_exactly(tmp_path: Path) -> None:
    Image.fromarray(render_scene(1, 64)).save(tmp_path / "a.png")
    loaded = load_pictures(tmp_path, 64)
    assert loaded.names == ("a.png",)
    assert loaded.pictures.dtype == torch.uint8
    np.testing.assert_array_equal(loaded.pictures[0].permute(1, 2, 0), render_scene(1, 64))


def test_pictures_of_all_subfolders_come_in_the_order_of_their_paths(tmp_path: Path) -> None:
    for name in ("b.PNG", "c/d/a.webp", "a-b/y.jpeg", "a/z.jpg", ".cache/x.png", "._b.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 20), RED).save(path, lossless=True)
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / "folder.png").mkdir()
    calls: list[tuple[int, int]] = []

    loaded = load_pictures(tmp_path, 16, lambda done, total: calls.append((done, total)))

    assert loaded.names == ("a-b/y.jpeg", "a/z.jpg", "b.PNG", "c/d/a.webp")
    assert loaded.pictures.shape == (4, 3, 16, 16)
    assert colour_at(loaded.pictures[3], 8, 8) == RED
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize("wide", [True, False])
def test_the_square_at_the_centre_is_scaled(tmp_path: Path, *, wide: bool) -> None:
    picture = np.full((40, 120, 3), RED, np.uint8)
    picture[:, 40:60], picture[:, 60:80] = GREEN, BLUE
    Image.fromarray(picture if wide else picture.swapaxes(0, 1)).save(tmp_path / "a.png")
    read = read_picture(tmp_path / "a.png", 20)
    read = read if wide else read.mT
    assert read.shape == (3, 20, 20)
    assert colour_at(read, 10, 4) == GREEN
    assert colour_at(read, 10, 15) == BLUE


def test_a_smaller_picture_is_enlarged_and_a_sliver_costs_no_more(tmp_path: Path) -> None:
    Image.new("RGB", (3, 5), GREEN).save(tmp_path / "small.png")
    Image.new("RGB", (1, 50_000), BLUE).save(tmp_path / "sliver.png")
    assert colour_at(read_picture(tmp_path / "small.png", 64), 63, 0) == GREEN
    assert colour_at(read_picture(tmp_path / "sliver.png", 512), 0, 511) == BLUE


def test_gray_becomes_gray_in_colour_and_16_bits_are_scaled(tmp_path: Path) -> None:
    Image.new("L", (8, 8), 77).save(tmp_path / "gray.png")
    deep = np.full((8, 8), 128 * 257, dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    assert set(read_picture(tmp_path / "gray.png", 8).flatten().tolist()) == {77}
    assert set(read_picture(tmp_path / "deep.png", 8).flatten().tolist()) == {128}


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "I;16"])
def test_transparency_becomes_white(tmp_path: Path, mode: str) -> None:
    if mode == "I;16":
        picture = Image.fromarray(np.zeros((8, 8), np.uint16))
    else:
        picture = Image.new(mode, (8, 8))
    if "A" not in mode:
        picture.info["transparency"] = 0
    picture.save(tmp_path / "clear.png")
    assert read_picture(tmp_path / "clear.png", 8).min() == 255


@pytest.mark.parametrize(
    ("orientation", "corner"),
    [(1, "top left"), (3, "bottom right"), (6, "top right"), (8, "bottom left")],
)
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_photograph_is_turned_as_it_says(
    tmp_path: Path, orientation: int, corner: str, mode: str
) -> None:
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[:16, :16] = GREEN
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(pixels).convert(mode).save(tmp_path / "a.png", exif=exif)
    read = read_picture(tmp_path / "a.png", 32)
    row, column = (5 if "top" in corner else 26), (5 if "left" in corner else 26)
    assert colour_at(read, row, column) == GREEN
    assert int((read[1] == 255).sum()) == 16 * 16


@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
def test_a_damaged_picture_is_named(tmp_path: Path, ending: str) -> None:
    write_scenes(tmp_path, 2, 0, size=64)
    (tmp_path / "more").mkdir()
    damaged = tmp_path / "more" / f"broken.{ending}"
    Image.fromarray(render_scene(3, 64)).save(damaged)
    damaged.write_bytes(damaged.read_bytes()[:300])
    with pytest.raises(BadInputError, match=rf"broken\.{ending}: cannot be read as an image"):
        load_pictures(tmp_path, 64)


def test_a_header_that_is_cut_short_is_damage_too(tmp_path: Path) -> None:
    header = b"\x00\x00\x00\x01IHDR\x00" + zlib.crc32(b"IHDR\x00").to_bytes(4, "big")
    (tmp_path / "short.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header)
    with pytest.raises(BadInputError, match=r"short\.png: cannot be read as an image"):
        load_pictures(tmp_path, 64)


def test_a_missing_or_empty_folder_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match="photos: no such folder; name a folder that holds pictures"
    ):
        load_pictures(tmp_path / "photos", 64)
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(UsageError, match="no pictures in it or its subfolders; name a folder"):
        load_pictures(tmp_path, 64)


def test_about_the_share_is_held_out_and_pictures_keep_their_names() -> None:
    names = [f"photos/{index}.jpg" for index in range(250)]
    training, held_out = split_held_out(named(names), 0.2)
    assert 30 <= len(held_out.names) <= 70  # 50, within three standard deviations
    assert sorted(training.names + held_out.names) == sorted(names)
    for part in (training, held_out):
        numbers = part.pictures[:, 0, 0, 0].tolist()
        assert part.names == tuple(names[number] for number in numbers)
        assert numbers == sorted(numbers)


def test_a_picture_never_changes_sides_when_others_come_go_or_move() -> None:
    names = [f"{index}.png" for index in range(60)]
    training, held_out = split_held_out(named(names), 0.3)
    side = dict.fromkeys(training.names, False) | dict.fromkeys(held_out.names, True)
    more = [f"added/{index}.png" for index in range(100)]
    for others in (names + more, more + names[::-1], names[:30]):
        training, held_out = split_held_out(named(others), 0.3)
        assert not any(side.get(name, False) for name in training.names)
        assert all(side.get(name, True) for name in held_out.names)


@pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
@pytest.mark.parametrize("count", [2, 3, 7])
def test_neither_side_is_empty(count: int, share: float) -> None:
    names = [f"\udcff{index}.png" for index in range(count)]  # no UTF-8, as old disks have
    training, held_out = split_held_out(named(names), share)
    assert training.names
    assert held_out.names
    assert len(training.names) + len(held_out.names) == count


def test_what_cannot_be_split_is_refused() -> None:
    with pytest.raises(UsageError, match="one picture cannot be both trained on and held out"):
        split_held_out(named(["a.png"]), 0.5)
    for share in (0.0, 1.0, -0.1, float("nan")):
        with pytest.raises(UsageError, match="cannot be held out; choose one between 0 and 1"):
            split_held_out(named(["a.png", "b.png"]), share)
