"""Distances of outputs from the float32 file's own."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from verify.float_agreement import compare_with_float

if TYPE_CHECKING:
    from tests.verify.conftest import HandMade

pytestmark = pytest.mark.integration


def _dense(hand_made: "type[HandMade]", path: Path, factor: float) -> Path:
    return hand_made(
        {"x": (1, 4), "w": factor * np.eye(3, 4, dtype=np.float32), "y": (1, 3)},
        [("FULLY_CONNECTED", ["x", "w"], "y")],
    ).write(path)


def test_distances_are_those_of_the_numbers(tmp_path: Path, hand_made: "type[HandMade]") -> None:
    exact = _dense(hand_made, tmp_path / "a.tflite", 1)
    others = [exact, _dense(hand_made, tmp_path / "b.tflite", 1.1)]
    samples = [{"x": np.array([[3, 0, -4, 9]], np.float32)}]
    same, off = compare_with_float(exact, others, samples, 1)
    assert (same.relative_l2, same.snr_db, same.largest_difference) == (0, np.inf, 0)
    assert off.relative_l2 == pytest.approx(0.1)
    assert off.snr_db == pytest.approx(20)
    assert off.largest_difference == pytest.approx(0.4)
    assert (off.path, off.output, off.reason) == (others[1], "y", None)


def test_a_file_that_does_not_run_is_a_row_with_its_reason(
    tmp_path: Path, hand_made: "type[HandMade]"
) -> None:
    exact = _dense(hand_made, tmp_path / "a.tflite", 1)
    broken = tmp_path / "b.tflite"
    broken.write_bytes(exact.read_bytes()[:40])
    (row,) = compare_with_float(exact, [broken], [{"x": np.ones((1, 4), np.float32)}], 1)
    assert row.relative_l2 is None
    assert row.reason
