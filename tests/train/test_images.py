"""Reading a folder of images as people have them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from chunkport.errors import BadInputError, UsageError
from train.fruits import render_fruit, write_fruit_images
from train.images import load_images, read_image, split_held_out, to_pixels, to_unit_range


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
    with pytest.raises(UsageError, match="no images in any subfolder of it; draw some"):
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
