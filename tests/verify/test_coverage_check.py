"""A file's own ops are held against what its card tells of them."""

from dataclasses import replace
from pathlib import Path

import pytest

from convert.card import read_card, stamp
from verify.coverage_check import check_coverage
from verify.subject import identify

pytestmark = pytest.mark.integration


def test_an_integer_file_tells_how_much_of_it_is_in_integers(
    generator_tflites: dict[str, Path],
) -> None:
    (check,) = check_coverage(identify(generator_tflites["int8-dynamic"]))
    assert check.passed
    assert check.detail is not None
    assert check.detail.startswith("17 of 28 ops compute in integers; 7 LEAKY_RELU, 3 ADD, 1 TANH:")


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_float_file_has_no_such_row(generator_tflites: dict[str, Path], precision: str) -> None:
    assert not list(check_coverage(identify(generator_tflites[precision])))


def test_a_card_that_tells_of_another_file_fails(
    generator_tflites: dict[str, Path], tmp_path: Path
) -> None:
    card = read_card(generator_tflites["int8-dynamic"])
    assert card is not None
    path = tmp_path / "float.tflite"
    stamp(generator_tflites["fp16"], path, replace(card, precision="int8-dynamic"))
    (check,) = check_coverage(identify(path))
    assert not check.passed
    assert check.reason == "its card says 17 of 28 ops, and it is 0 of 28"
