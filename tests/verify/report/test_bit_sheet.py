"""Messages of four bits, read by a network and by files whose flips are known."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from verify.reference import Reference
from verify.report.bit_sheet import BitSheet, make_bit_sheet
from verify.report.candidate import Candidate
from wrappers.registry import find_spec
from wrappers.spec import Contract, TensorSpec

# Detection first, then four bits; by sample. The RMS of each is 1.
LOGITS = np.array([[5, 1, -1, 1, -1], [5, 1, 1, 1, 1], [5, -1, -1, -1, -1]], np.float32)
TITLE = ("tinyseal", "three pictures")
NAMES = ["first", "second", "third"]


@pytest.fixture(scope="module")
def reference() -> Reference:
    contract = Contract(
        (TensorSpec("image", (1, 3, 4, 8), "nchw", "[0, 1]", "a picture"),),
        (TensorSpec("preds", (1, 5), "features", "logits", "bits"),),
    )
    inputs: list[Any] = [{"image": np.full((1, 3, 4, 8), n / 2, np.float32)} for n in range(3)]
    outputs: list[Any] = [{"preds": row[None]} for row in LOGITS]
    return Reference(find_spec("tinyseal"), contract, "0" * 64, inputs, outputs, seed=0)


def reader(precision: str, changes: dict[tuple[int, int], float]) -> Candidate:
    """A file that reads as the network does but for the logits of (sample, bit)."""
    logits = LOGITS.copy()
    for (sample, bit), value in changes.items():
        logits[sample, 1 + bit] = value
    outputs: list[Any] = [{"preds": row[None]} for row in logits]
    return Candidate(f"{precision}.tflite", precision, outputs, Path("a.tflite"))


def sheet_of(reference: Reference, *candidates: Candidate, rows: int = 6) -> BitSheet:
    return make_bit_sheet(reference, candidates, TITLE, NAMES, rows)


def test_pictures_with_most_flipped_bits_come_first_then_those_near_to_it(
    reference: Reference,
) -> None:
    file = reader("int8", {(1, 0): 0.2, (2, 0): 0.1, (2, 3): 0.1})
    assert [row.name for row in sheet_of(reference, file).rows] == ["third", "second", "first"]
    assert [row.name for row in sheet_of(reference, file, rows=1).rows] == ["third"]


def test_the_network_is_always_drawn_and_a_file_where_it_flips(reference: Reference) -> None:
    files = reader("fp16", {(0, 1): -0.3}), reader("int8", {(0, 1): 0.1, (0, 3): 0.2})
    row = sheet_of(reference, *files).rows[0]
    assert [strip.reader for strip in row.strips] == ["PyTorch", "fp16", "int8"]
    network, same, flipped = row.strips
    assert network.drawing is not None
    assert (network.hex, network.flipped, network.drawing.flipped) == ("a", 0, ())
    assert same.drawing is None
    assert same.said == "nearest to flipping: bit 1, 0.3 of the RMS away"
    assert flipped.drawing is not None
    assert (flipped.hex, flipped.flipped) == ("f", 2)
    assert flipped.said == "2 of 4 flipped: bits 1, 3"
    assert len(flipped.drawing.flipped) == 2


def test_flips_are_counted_over_all_pictures(reference: Reference) -> None:
    files = reader("fp16", {}), reader("int8", {(1, 0): -0.2, (2, 0): 0.1, (2, 3): 0.1})
    first, second = sheet_of(reference, *files, rows=1).tallies
    assert (first.flipped, first.pictures_with_flips) == (0, 0)
    assert (second.flipped, second.bits) == (3, 12)
    assert (second.pictures_with_flips, second.pictures) == (2, 3)


def test_the_detection_logit_is_no_bit(reference: Reference) -> None:
    file = reader("int8", {(0, -1): -5})
    sheet = sheet_of(reference, file)
    assert sheet.tallies[0].flipped == 0
    assert sheet.rows[0].strips[0].confidence == 5


def test_the_picture_that_was_read_is_shown(reference: Reference) -> None:
    picture = sheet_of(reference, reader("int8", {})).rows[0].picture
    assert picture is not None
    assert picture.uri.startswith("data:image/jpeg;base64,")
    assert (picture.width, picture.height) == (8, 4)


def test_inputs_that_are_no_pictures_are_not_shown(reference: Reference) -> None:
    flat = TensorSpec("image", (1, 96), "features", "[0, 1]", "numbers")
    contract = replace(reference.contract, inputs=(flat,))
    sheet = sheet_of(replace(reference, contract=contract), reader("int8", {}))
    assert sheet.rows[0].picture is None


def test_without_a_file_that_ran_the_sheet_says_so(reference: Reference) -> None:
    assert sheet_of(reference).reason == "no file ran"
