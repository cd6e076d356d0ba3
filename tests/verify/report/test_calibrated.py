"""The page shows what a file was calibrated on, and the layers that 8 bits serve worst."""

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from chunkport.errors import BadInputError
from verify.report.calibrated import calibrations_of

if TYPE_CHECKING:
    from tests.verify.report.conftest import Made

_CALM = [-1.0, 1.0, -0.9, 0.9, 0.5]
_WASTED = [-2.0, 18.0, -1.0, 1.0, 0.3]
_RECORD = {
    "source": "pictures",
    "folder": "cats",
    "count": 8,
    "seed": None,
    "missed_by_half": 0.25,
    "doubts": ["calibrated on 8 samples, which are few: give 16 or more"],
    "layers": [
        ["Net/Linear_calm;", "FULLY_CONNECTED", _CALM, _CALM],
        ["Net/Conv2d_wasted;1", "CONV_2D", _WASTED, _CALM],
    ],
}


def test_layers_are_shown_with_what_outliers_leave_of_the_scale(made: "Made") -> None:
    card = replace(made.card(), calibration=_RECORD)
    page = made.parsed(made.report(made.judged("a", made.passing, card)))
    said = made.section(page, "calibration")
    assert "8 samples, pictures in 'cats'; half of them would have missed 25.0%" in said
    assert "which are few" in said
    assert said.index("wasted CONV_2D -2 to 18, 22 dB") < said.index("calm FULLY_CONNECTED")
    bars = [
        (item.attrib["x"], item.attrib["width"])
        for item in page.iter("rect")
        if item.attrib.get("class") == "bar" and "x" in item.attrib
    ]
    assert bars == [("5.00%", "10.00%"), ("5.00%", "90.00%")]


def test_a_page_without_calibrated_files_has_no_such_section(made: "Made") -> None:
    page = made.parsed(made.report(made.judged("a", made.passing, made.card())))
    assert all(item.attrib.get("id") != "calibration" for item in page.iter("section"))


def test_a_damaged_record_is_told(made: "Made") -> None:
    card = replace(made.card(), calibration={**_RECORD, "layers": [["x", "CONV_2D", [1], [2]]]})
    with pytest.raises(BadInputError, match="a: what its card says of calibration is damaged"):
        calibrations_of([made.judged("a", made.passing, card)])
