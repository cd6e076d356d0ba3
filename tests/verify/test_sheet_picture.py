from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from networks.gan import Generator
from verify.reference import Reference
from verify.report.candidate import Candidate
from verify.report.contact_sheet import ContactSheet, make_contact_sheet
from verify.sheet_picture import write_sheet
from wrappers.gan_generator import SPEC

SHADES = (-1.0, 0.0, 1.0)


def sheet(shapes: tuple[int, ...] = (1, 128, 128, 1)) -> ContactSheet:
    """Of pictures of one shade each, and a file that is off in the last one."""
    contract = SPEC.contract(Generator(width=1))
    inputs = SPEC.make_samples(contract, len(SHADES), 0)
    outputs: Any = [{"image": np.full(shapes, shade, np.float32)} for shade in SHADES]
    drawn = [*outputs[:2], {"image": np.full(shapes, 0.5, np.float32)}]
    reference = Reference(SPEC, contract, "0" * 64, inputs, outputs, seed=0)
    candidate = Candidate("a.tflite", "fp16", drawn, Path("a.tflite"))
    return make_contact_sheet(reference, [candidate], rows=3)


def shown(path: Path) -> np.ndarray[Any, Any]:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_each_row_has_the_picture_the_files_and_the_difference(tmp_path: Path) -> None:
    target = tmp_path / "new" / "worst.png"
    write_sheet(sheet(), target)
    pixels = shown(target)
    # Rows are the worst first: the white picture, then the two that are right.
    middles = {
        (row, column): tuple(pixels[22 + row * 154 + 64, 8 + column * 136 + 64])
        for row in range(3)
        for column in range(3)
    }
    assert middles[0, 0] == (255, 255, 255)
    assert middles[0, 1] == (191, 191, 191)
    assert sum(map(int, middles[0, 2])) > 300  # bright where it differs
    assert middles[1, 0] == middles[1, 1]
    assert sum(map(int, middles[1, 2])) < 60  # dark where it does not


def test_the_worst_is_written_in_red(tmp_path: Path) -> None:
    write_sheet(sheet(), tmp_path / "worst.png")
    red = (shown(tmp_path / "worst.png") == (0xB0, 0x00, 0x20)).all(axis=-1)
    rows, columns = red.nonzero()
    assert len(rows) > 0
    assert 22 + 128 <= rows.min() <= rows.max() < 22 + 154  # below the first row's pictures
    assert columns.min() >= 8 + 136  # and the file's, not the network's


def test_small_pictures_are_enlarged_without_blur(tmp_path: Path) -> None:
    write_sheet(sheet((1, 16, 16, 1)), tmp_path / "worst.png")
    assert shown(tmp_path / "worst.png").shape[1] == 8 + 3 * 136


def test_a_sheet_of_nothing_is_refused(tmp_path: Path) -> None:
    empty = replace(sheet(), rows=(), reason="no file ran")
    with pytest.raises(ValueError, match="has no pictures: no file ran"):
        write_sheet(empty, tmp_path / "worst.png")
    assert list(tmp_path.iterdir()) == []
