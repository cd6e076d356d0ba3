"""Pictures made from a seed and pictures of a user's own, as the detectors take them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from chunkport.errors import BadInputError
from wrappers.detector_graph import DetectorInterface
from wrappers.detector_pictures import make_pictures, read_pictures
from wrappers.spec import Contract

WIDE = DetectorInterface("nhwc", 32, (20, 50), split_outputs=False).contract(nbits=4)
SQUARE = DetectorInterface("nchw", 32, None, split_outputs=False).contract(nbits=4)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (90, 70, 3), dtype=np.uint8)
    path = tmp_path / "a.png"
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.parametrize("contract", [WIDE, SQUARE], ids=["nhwc 20x50", "nchw 32x32"])
def test_made_pictures_fit_the_contract_and_depend_on_the_seed_alone(contract: Contract) -> None:
    first, again, other = (
        [item["image"] for item in make_pictures(contract, 3, seed)] for seed in (0, 0, 1)
    )
    assert all(item.shape == contract.inputs[0].shape for item in first)
    assert all(item.dtype == np.float32 and item.flags["C_CONTIGUOUS"] for item in first)
    assert all(item.min() >= 0 and item.max() <= 1 and np.ptp(item) > 0.5 for item in first)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first[0], first[1])


def test_a_picture_is_resized_as_the_public_detector_does(picture: Path) -> None:
    pixels = torch.from_numpy(np.asarray(Image.open(picture), dtype=np.float32) / 255)
    resized = functional.interpolate(
        pixels.permute(2, 0, 1)[None], (32, 32), mode="bilinear", antialias=True
    )
    assert np.array_equal(read_pictures(SQUARE, [picture])[0]["image"], resized.numpy())


def test_a_picture_of_the_right_size_is_not_touched(picture: Path) -> None:
    contract = DetectorInterface("nhwc", 32, (90, 70), split_outputs=False).contract(nbits=4)
    image = read_pictures(contract, [picture])[0]["image"]
    assert np.array_equal(
        np.round(image[0] * 255).astype(np.uint8), np.asarray(Image.open(picture))
    )


@pytest.mark.parametrize("mode", ["L", "RGBA", "1"])
def test_pictures_in_other_modes_are_read_as_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "b.png"
    Image.new("RGB", (5, 4), (255, 255, 255)).convert(mode).save(path)
    image = read_pictures(SQUARE, [path])[0]["image"]
    np.testing.assert_allclose(image, 1, rtol=1e-6)


def test_what_is_no_picture_is_named(tmp_path: Path) -> None:
    path = tmp_path / "c.png"
    path.write_bytes(b"not a picture")
    with pytest.raises(BadInputError, match=r"c\.png: is no picture that can be read"):
        read_pictures(SQUARE, [path])


def test_a_picture_broken_inside_is_named(tmp_path: Path) -> None:
    path = tmp_path / "d.png"
    pixels = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    content = bytearray(path.read_bytes())
    assert content.count(b"IDAT") > 1
    content[content.rindex(b"IDAT")] = 0xB5
    path.write_bytes(content)
    with pytest.raises(BadInputError, match=r"d\.png: is no picture that can be read"):
        read_pictures(SQUARE, [path])


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_deeper_pictures_are_refused_as_they_would_be_cut_to_white(
    tmp_path: Path, dtype: type[np.generic]
) -> None:
    path = tmp_path / "deep.tif"
    Image.fromarray(np.arange(6000).reshape(60, 100).astype(dtype)).save(path)
    with pytest.raises(BadInputError, match=r"deep\.tif: has more than 8 bits .* save it with 8"):
        read_pictures(SQUARE, [path])
