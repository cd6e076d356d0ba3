import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from verify.report.pictures import Picture, drawn, png, thumbnail, thumbnail_of


def opened(picture: Picture) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(picture.uri.partition(",")[2], validate=True)))


def test_values_are_drawn_within_their_span_and_nonsense_is_black() -> None:
    values = np.array([[[-1.0], [1.0], [0.0], [9.0], [np.nan]]], np.float32)
    image = opened(drawn(values, -1, 2))
    assert np.asarray(image).tolist() == [[0, 255, 128, 255, 0]]


def test_pixels_are_kept_as_they_are() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    picture = png(pixels)
    assert (picture.width, picture.height) == (7, 5)
    assert (np.asarray(opened(picture)) == pixels).all()


def test_thumbnails_are_small_and_keep_their_proportions() -> None:
    picture = thumbnail(np.full((200, 100, 3), 0.5, np.float32), 50)
    assert (picture.width, picture.height) == (25, 50)
    assert opened(picture).format == "JPEG"


def test_thumbnails_of_files_keep_whether_they_have_colours(tmp_path: Path) -> None:
    for mode in ("L", "RGB", "RGBA"):
        path = tmp_path / f"{mode}.png"
        Image.new(mode, (100, 200)).save(path)
        picture = thumbnail_of(path, 50)
        assert (picture.width, picture.height) == (25, 50)
        assert opened(picture).mode == mode[:3]
