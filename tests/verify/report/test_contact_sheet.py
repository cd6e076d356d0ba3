import base64
import io
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from networks.gan import Generator
from verify.reference import Reference
from verify.report.candidate import Candidate
from verify.report.contact_sheet import ContactSheet, make_contact_sheet
from verify.report.pictures import Picture
from wrappers.gan_generator import SPEC

SAMPLES = 10
SHAPE = (1, 128, 128, 1)
Outputs = list[dict[str, NDArray[np.float32]]]


@pytest.fixture(scope="module")
def reference() -> Reference:
    """Pictures that differ from sample to sample, as a network would have given them."""
    contract = SPEC.contract(Generator(width=1))
    inputs = SPEC.make_samples(contract, SAMPLES, 0)
    outputs: Any = [{"image": np.full(SHAPE, -0.9 + 0.1 * i, np.float32)} for i in range(SAMPLES)]
    return Reference(SPEC, contract, "0" * 64, inputs, outputs, seed=0)


def shifted(reference: Reference, by: dict[int, float]) -> Candidate:
    """A file whose samples are off by so much in their first pixel."""
    outputs: Outputs = []
    for sample, item in enumerate(reference.outputs):
        image = item["image"].copy()
        image[0, 0, 0, 0] += by.get(sample, 0)
        outputs.append({"image": image})
    return Candidate("shifted.tflite", "fp16", outputs, Path("shifted.tflite"))


def pixels(picture: Picture) -> NDArray[np.uint8]:
    assert picture.uri.startswith("data:image/png;base64,")
    data = base64.b64decode(picture.uri.partition(",")[2], validate=True)
    array = np.asarray(Image.open(io.BytesIO(data)))
    assert array.shape[:2] == (picture.height, picture.width)
    return array


def shown(sheet: ContactSheet) -> list[int]:
    return [row.sample for row in sheet.rows]


def test_the_worst_samples_come_first(reference: Reference) -> None:
    sheet = make_contact_sheet(reference, [shifted(reference, {3: 0.01, 7: 0.1, 5: 0.001})], rows=3)
    assert shown(sheet) == [7, 3, 5]
    assert [row.cells[0].worst for row in sheet.rows] == [True, False, False]
    # One pixel of 128 x 128 is off by 0.1 of a span of 2.
    expected = 10 * math.log10(4 / (0.1**2 / 128**2))
    assert sheet.rows[0].cells[0].psnr_db == pytest.approx(expected, abs=0.01)


def test_each_files_own_worst_sample_is_shown(reference: Reference) -> None:
    bad = shifted(reference, dict.fromkeys(range(9), 0.5))
    good = shifted(reference, {9: 1e-3})
    sheet = make_contact_sheet(reference, [bad, good], rows=2)
    assert shown(sheet)[-1] == 9
    assert len(sheet.rows) == 3
    assert [cell.worst for cell in sheet.rows[-1].cells] == [False, True]


@pytest.mark.parametrize(
    ("largest", "amplification"), [(0.011, 100), (0.009, 200), (0.3, 5), (1.5, 1), (0, 1)]
)
def test_differences_are_amplified_until_they_just_fit(
    reference: Reference, largest: float, amplification: int
) -> None:
    sheet = make_contact_sheet(reference, [shifted(reference, {0: largest})])
    assert sheet.columns[0].amplification == amplification


def test_the_difference_map_is_black_where_equal_and_light_where_not(reference: Reference) -> None:
    sheet = make_contact_sheet(reference, [shifted(reference, {0: 0.02})])
    heat = pixels(sheet.rows[0].cells[0].difference).astype(int)
    assert heat[0, 0].sum() > 600
    assert heat[1, 1].sum() < 50
    assert heat.shape == (128, 128, 3)


def test_pictures_keep_their_pixels(reference: Reference) -> None:
    sheet = make_contact_sheet(reference, [shifted(reference, {0: 0.5})], rows=1)
    expected = np.rint((reference.outputs[0]["image"][0, :, :, 0] + 1) * 127.5)
    assert (pixels(sheet.rows[0].reference) == expected).all()
    assert pixels(sheet.rows[0].cells[0].picture)[0, 0] == np.rint(0.6 * 127.5)


def test_a_sample_that_is_not_finite_is_the_worst(reference: Reference) -> None:
    sheet = make_contact_sheet(reference, [shifted(reference, {2: 0.5, 6: math.nan})])
    assert shown(sheet)[0] == 6
    cell = sheet.rows[0].cells[0]
    assert math.isnan(cell.psnr_db)
    assert pixels(cell.difference)[0, 0].astype(int).sum() > 600


def test_colour_pictures_with_channels_first_are_shown_in_colour(reference: Reference) -> None:
    contract = replace(
        reference.contract,
        outputs=(replace(reference.contract.outputs[0], shape=(1, 3, 4, 8), layout="nchw"),),
    )
    red = np.stack([np.ones((4, 8)), -np.ones((4, 8)), -np.ones((4, 8))])[None].astype(np.float32)
    colourful = replace(reference, contract=contract, outputs=[{"image": red}])
    sheet = make_contact_sheet(colourful, [Candidate("a", "fp32", [{"image": red}], Path("a"))])
    shape = (sheet.rows[0].reference.width, sheet.rows[0].reference.height)
    assert shape == (8, 4)
    assert pixels(sheet.rows[0].reference)[0, 0].tolist() == [255, 0, 0]


def test_an_output_that_is_no_picture_is_named(reference: Reference) -> None:
    output = replace(reference.contract.outputs[0], name="bits", shape=(1, 256), layout="features")
    bits = replace(reference, contract=replace(reference.contract, outputs=(output,)))
    sheet = make_contact_sheet(bits, [Candidate("a", "fp32", [], Path("a"))])
    assert sheet.rows == ()
    assert "'bits' is no picture" in str(sheet.reason)


def test_without_a_file_that_ran_the_sheet_says_so(reference: Reference) -> None:
    assert make_contact_sheet(reference, []).reason == "no file ran"
