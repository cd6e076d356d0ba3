"""Reading a folder of images as people have them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageOps

from chunkport.errors import BadInputError, UsageError
from train.fruits import render_fruit, write_fruit_images
from train.image_folders import find_images
from train.images import (
    load_images,
    read_both_halves,
    read_image,
    read_images,
    split_held_out,
    to_pixels,
    to_unit_range,
)


def test_a_written_picture_comes_back_exactly(tmp_path: Path) -> None:
    Image.fromarray(render_fruit("Apple", 1)).save(tmp_path / "apple.png")
    np.testing.assert_array_equal(read_image(tmp_path / "apple.png"), render_fruit("Apple", 1))


def test_classes_are_folders_in_sorted_order(tmp_path: Path) -> None:
    write_fruit_images(tmp_path, 2, 0)
    loaded = load_images(tmp_path)
    assert loaded.classes == ("Apple", "Banana", "Orange", "Pear", "Strawberry")
    assert loaded.images.shape == (10, 1, 128, 128)
    assert loaded.images.dtype == torch.uint8
    assert loaded.labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    banana = read_image(tmp_path / "Banana" / "Banana_0001.png")
    np.testing.assert_array_equal(loaded.images[3, 0].numpy(), banana)


def test_one_class_by_name(tmp_path: Path) -> None:
    write_fruit_images(tmp_path, 2, 0)
    pears = load_images(tmp_path, only="Pear")
    assert pears.classes == ("Pear",)
    assert pears.labels.tolist() == [0, 0]
    torch.testing.assert_close(pears.images, load_images(tmp_path).images[6:8])


def test_any_size_and_colour_becomes_luminance(tmp_path: Path) -> None:
    """ITU-R 601: 0.299 R + 0.587 G + 0.114 B."""
    Image.new("RGB", (300, 200), (200, 100, 50)).save(tmp_path / "a.png")
    Image.new("RGB", (20, 30), (200, 100, 50)).save(tmp_path / "b.jpeg", quality=95)
    for name in ("a.png", "b.jpeg"):
        pixels = read_image(tmp_path / name)
        assert pixels.shape == (128, 128)
        assert np.abs(pixels.astype(int) - 124).max() <= 2


def test_transparency_becomes_white_and_16_bits_are_scaled(tmp_path: Path) -> None:
    Image.new("RGBA", (128, 128), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert read_image(tmp_path / "clear.png").min() == 255
    Image.fromarray(np.full((128, 128), 128 * 257, dtype=np.uint16)).save(tmp_path / "deep.png")
    assert set(read_image(tmp_path / "deep.png").ravel()) == {128}


def test_a_fruit_that_fills_its_picture_is_not_taken_for_its_background(tmp_path: Path) -> None:
    pixels = np.full((100, 200), 240, np.uint8)
    pixels[:, 20:180] = 40  # most of either end, but no corner
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    assert read_image(tmp_path / "wide.png")[0, 64] == 240


def test_what_is_not_square_keeps_its_shape_on_its_own_background(tmp_path: Path) -> None:
    """A round fruit that fills the height of a wide picture is as wide as it is high."""
    wide = Image.new("RGB", (300, 150), (230, 230, 230))
    ImageDraw.Draw(wide).ellipse((75, 0, 225, 150), fill=(20, 20, 20))
    wide.save(tmp_path / "wide.png")
    pixels = read_image(tmp_path / "wide.png")
    assert set(pixels[:32].ravel()) == set(pixels[96:].ravel()) == {230}
    dark = pixels < 125
    assert (dark.sum(axis=0) > 0).sum() == pytest.approx((dark.sum(axis=1) > 0).sum(), abs=1)
    wide.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "high.png")
    assert np.abs(read_image(tmp_path / "high.png").astype(int) - np.rot90(pixels)).max() <= 1


def test_a_picture_is_turned_as_its_camera_was_held(tmp_path: Path) -> None:
    upright = ImageOps.pad(Image.fromarray(render_fruit("Pear", 3)), (128, 96))
    turned = upright.transpose(Image.Transpose.ROTATE_90)
    orientation = Image.Exif()
    orientation[0x0112] = 6  # to be turned by 90 degrees to the right
    turned.save(tmp_path / "turned.png", exif=orientation)
    upright.save(tmp_path / "upright.png")
    np.testing.assert_array_equal(
        read_image(tmp_path / "turned.png"), read_image(tmp_path / "upright.png")
    )


@pytest.mark.parametrize(
    ("name", "mode", "options"),
    [
        ("fruit.bmp", "RGB", {}),
        ("fruit.tiff", "RGB", {}),
        ("deep.tif", "I;16", {}),
        ("print.jpg", "CMYK", {"quality": 95}),
        ("print.tif", "CMYK", {}),
        ("fruit.webp", "RGB", {"lossless": True}),
        ("fruit.jpg", "L", {"quality": 95}),
        ("few_colours.png", "P", {}),
        ("with_alpha.png", "LA", {}),
    ],
)
def test_the_same_fruit_is_read_from_any_format(
    tmp_path: Path, name: str, mode: str, options: dict[str, Any]
) -> None:
    fruit = render_fruit("Apple", 1)
    if mode == "I;16":
        Image.fromarray(fruit.astype(np.uint16) * 257).save(tmp_path / name)
    else:
        gray = Image.fromarray(fruit)
        (gray if mode == "P" else gray.convert("RGB")).convert(mode).save(
            tmp_path / name, **options
        )
    off = np.abs(read_image(tmp_path / name).astype(int) - fruit)
    assert off.mean() < 1.5


def test_a_photograph_of_a_phone_is_read_as_if_at_its_full_size(tmp_path: Path) -> None:
    large = Image.fromarray(render_fruit("Orange", 2)).resize((2400, 1800))
    large.convert("RGB").save(tmp_path / "photo.jpg", quality=90)
    large.convert("RGB").save(tmp_path / "photo.png")
    off = np.abs(
        read_image(tmp_path / "photo.jpg").astype(int) - read_image(tmp_path / "photo.png")
    )
    assert off.max() <= 3


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("F", "its pixels are floats, of which no one knows what is white"),
        ("LAB", "a picture of 128x128 pixels, LAB, cannot be made one of 128x128"),
    ],
)
def test_what_cannot_be_made_such_a_picture_is_named(
    tmp_path: Path, mode: str, message: str
) -> None:
    Image.new(mode, (128, 128)).save(tmp_path / "odd.tif")
    with pytest.raises(BadInputError, match=rf"odd\.tif: {message}"):
        read_image(tmp_path / "odd.tif")


def test_unit_range_and_back() -> None:
    pixels = torch.arange(256).to(torch.uint8)
    unit = to_unit_range(pixels)
    assert unit.dtype == torch.float32
    assert (unit.min().item(), unit.max().item()) == (-1.0, 1.0)
    assert torch.equal(to_pixels(unit), pixels)


def test_a_damaged_image_is_named(tmp_path: Path) -> None:
    write_fruit_images(tmp_path, 1, 0)
    damaged = tmp_path / "Orange" / "Orange_0000.png"
    damaged.write_bytes(damaged.read_bytes()[:400])
    with pytest.raises(BadInputError, match=r"Orange_0000\.png: cannot be read as an image"):
        load_images(tmp_path)


def test_damaged_images_can_be_left_out(tmp_path: Path) -> None:
    write_fruit_images(tmp_path, 40, 0, classes=("Apple", "Pear"))
    whole = load_images(tmp_path)
    for name in ("Apple/Apple_0000.png", "Pear/Pear_0039.png"):
        (tmp_path / name).write_bytes(b"no picture")
    bad: list[BadInputError] = []
    steps: list[int] = []
    loaded = read_images(tmp_path, find_images(tmp_path).training, steps.append, bad.append)
    assert [str(error).partition(": ")[0] for error in bad] == [
        str(tmp_path / "Apple/Apple_0000.png"),
        str(tmp_path / "Pear/Pear_0039.png"),
    ]
    assert sum(steps) == 80
    assert loaded.names == whole.names[1:-1]
    assert torch.equal(loaded.images, whole.images[1:-1])
    assert torch.equal(loaded.labels, whole.labels[1:-1])


def test_a_class_of_damaged_images_alone_is_named(tmp_path: Path) -> None:
    write_fruit_images(tmp_path, 1, 0)
    (tmp_path / "Orange" / "Orange_0000.png").write_bytes(b"no picture")
    with pytest.raises(BadInputError, match="none of the pictures of Orange can be read"):
        read_images(tmp_path, find_images(tmp_path).training, None, lambda _error: None)


def test_a_data_set_says_itself_what_is_held_out(tmp_path: Path) -> None:
    write_fruit_images(tmp_path / "Training", 3, 0, classes=("Apple", "Pear"))
    write_fruit_images(tmp_path / "Test", 2, 7, classes=("Apple", "Pear"))
    training, held_out = read_both_halves(find_images(tmp_path), 0.5)
    assert training.classes == held_out.classes == ("Apple", "Pear")
    assert held_out.names == tuple(
        f"Test/{name}" for name in ("Apple/Apple_0000.png", "Apple/Apple_0001.png")
    ) + tuple(f"Test/{name}" for name in ("Pear/Pear_0000.png", "Pear/Pear_0001.png"))
    assert training.names == load_images(tmp_path).names
    for path in (tmp_path / "Test" / "Pear").iterdir():
        path.unlink()
    with pytest.raises(UsageError, match="the held-out half lacks pictures of Pear; add some"):
        read_both_halves(find_images(tmp_path), 0.5)


def test_pictures_without_classes_cannot_be_told_apart(tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(UsageError, match="its pictures stand in no folders of their kinds"):
        read_both_halves(find_images(tmp_path), 0.5)
    assert len(load_images(tmp_path)) == 1


def test_a_text_file_called_png_is_named(tmp_path: Path) -> None:
    (tmp_path / "Apple").mkdir()
    (tmp_path / "Apple" / "notes.png").write_text("not an image")
    with pytest.raises(BadInputError, match=r"notes\.png: cannot be read as an image"):
        load_images(tmp_path)


def test_other_files_are_passed_over(tmp_path: Path) -> None:
    write_fruit_images(tmp_path, 1, 0)
    (tmp_path / "Apple" / "Thumbs.db").write_text("x")
    (tmp_path / "README.md").write_text("x")
    assert len(load_images(tmp_path).images) == 5


def test_a_missing_or_empty_folder_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder; draw some with train-gan"):
        load_images(tmp_path / "preprocessed_images")
    (tmp_path / "Apple").mkdir()
    with pytest.raises(UsageError, match=r"no pictures \(PNG, .*\) in it or its subfolders; draw"):
        load_images(tmp_path)


def test_an_unknown_class_names_the_known_ones(tmp_path: Path) -> None:
    write_fruit_images(tmp_path, 1, 0)
    with pytest.raises(UsageError, match=r"no images of class Plum\. Choose one of Apple, Banana"):
        load_images(tmp_path, only="Plum")


def test_a_part_of_each_class_is_held_out_by_name(tmp_path: Path) -> None:
    write_fruit_images(tmp_path, 5, 0, classes=("Apple", "Pear"))
    loaded = load_images(tmp_path)
    training, held_out = split_held_out(loaded, 0.2)
    assert sorted(training.names + held_out.names) == sorted(loaded.names)
    assert set(held_out.labels.tolist()) == set(training.labels.tolist()) == {0, 1}
    for part in (training, held_out):
        for name, image, label in zip(part.names, part.images, part.labels, strict=True):
            assert loaded.classes[label] == name.split("/")[0]
            np.testing.assert_array_equal(image[0].numpy(), read_image(tmp_path / name))


def test_a_class_of_one_image_cannot_be_held_out_from(tmp_path: Path) -> None:
    write_fruit_images(tmp_path, 1, 0, classes=("Apple", "Pear"))
    with pytest.raises(UsageError, match="Apple: one picture cannot be both"):
        split_held_out(load_images(tmp_path), 0.2)
