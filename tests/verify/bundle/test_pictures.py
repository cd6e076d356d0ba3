from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chunkport.errors import BadInputError
from verify.attacks import Pixels
from verify.bundle.goldens import write_pictures
from verify.bundle.pictures import made_pictures, own_pictures
from wrappers.detector_graph import DetectorInterface

CONTRACT = DetectorInterface("nchw", 64, None, split_outputs=False).contract(32)


def _draw(number: int, side: int) -> Pixels:
    return np.random.default_rng(number).integers(0, 256, (side, side, 3), np.uint8)


def _inverted(pixels: Pixels) -> Pixels:
    return np.asarray(255 - pixels)


def test_they_differ_in_size_and_in_kind() -> None:
    pictures = made_pictures(CONTRACT, _draw)
    assert [picture.image.mode for picture in pictures] == ["RGB", "RGB", "RGBA", "L"]
    sizes = [picture.image.size for picture in pictures]
    assert sizes[0] == (64, 64)
    assert min(sizes[1]) > 64
    assert max(sizes[2]) < 64
    assert sizes[1][0] != sizes[1][1]
    alpha = np.asarray(pictures[2].image)[..., 3]
    assert (alpha.min(), alpha.max()) == (0, 255)
    assert all(picture.hidden is None for picture in pictures)


def test_marks_are_under_the_transparency_and_the_grey() -> None:
    plain = made_pictures(CONTRACT, _draw)
    marked = made_pictures(CONTRACT, _draw, _inverted, (1, 0))
    for one, other in zip(plain, marked, strict=True):
        colours = [np.asarray(picture.image.convert("RGB")) for picture in (one, other)]
        assert np.abs(colours[0].astype(int) + colours[1] - 255).max() <= 1  # of rounding to grey
        assert other.hidden == (1, 0)


def test_ones_own_become_png_with_the_same_pixels_and_without_notes(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(_draw(0, 40)[:30]).save(path, exif=exif, dpi=(300, 300))
    (written,) = write_pictures(tmp_path, own_pictures([path]))
    assert written.name == "picture_1.png"
    with Image.open(path) as photo, Image.open(written) as kept:
        assert not kept.info
        assert np.array_equal(np.asarray(photo), np.asarray(kept))


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "note.png"
    path.write_text("no picture")
    with pytest.raises(BadInputError, match="no picture that can be read"):
        own_pictures([path])
