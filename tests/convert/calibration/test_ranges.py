"""Ranges come back from their file as they went in, and no others are taken for them."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkport.errors import BadInputError, UsageError
from convert.calibration.ranges import Ranges, TensorRange, read_ranges, write_ranges

_FINITE = st.floats(-1e30, 1e30)
_HELD = st.builds(
    lambda ends, low, high, rms: TensorRange(min(ends), max(ends), low, high, rms),
    st.tuples(_FINITE, _FINITE),
    _FINITE,
    _FINITE,
    st.floats(0, 1e30),
)
_SOME = Ranges("ab", "drawn", None, 64, 1000, 0.04, {"x": TensorRange(-1, 2, -0.5, 1, 0.6)})


@given(
    tensors=st.dictionaries(st.text(max_size=9), _HELD, max_size=4),
    count=st.integers(1, 999),
    missed=st.none() | st.floats(0, 1),
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    tensors: dict[str, TensorRange],
    count: int,
    missed: float | None,
) -> None:
    path = tmp_path_factory.mktemp("ranges") / "ranges.json"
    ranges = Ranges("ab", "pictures", "cats", count, None, missed, tensors)
    write_ranges(ranges, path)
    assert read_ranges(path) == ranges


def test_ranges_that_are_there_are_not_replaced_unasked(tmp_path: Path) -> None:
    path = tmp_path / "ranges.json"
    write_ranges(_SOME, path)
    with pytest.raises(UsageError, match="already there; add --force"):
        write_ranges(replace(_SOME, count=9), path)
    write_ranges(replace(_SOME, count=9), path, force=True)
    assert read_ranges(path).count == 9
    assert [file.name for file in tmp_path.iterdir()] == ["ranges.json"]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"schema_version": 2}, "later chunkport"),
        ({"tensors": {"x": {"lowest": 0}}}, "holds no ranges: 'highest' is missing"),
        ({"count": "4"}, "'count' is '4'; expected a whole number"),
        ({"missed_by_half": "x"}, "'missed_by_half' is 'x'; expected a number or null"),
        ({"tensors": {"x": [0, 1]}}, "holds no ranges"),
        ({"tensors": {"x": {**vars(TensorRange(3, 2, 0, 0, 0))}}}, "range of 'x' is none"),
        ({"tensors": {"x": {**vars(TensorRange(0, math.inf, 0, 0, 0))}}}, "range of 'x' is none"),
    ],
)
def test_a_file_of_something_else_is_refused(
    tmp_path: Path, changed: dict[str, object], told: str
) -> None:
    path = tmp_path / "ranges.json"
    path.write_text(json.dumps({**_SOME.to_json(), **changed}))
    with pytest.raises(BadInputError, match=told):
        read_ranges(path)


def test_no_file_and_no_json_are_refused(tmp_path: Path) -> None:
    (tmp_path / "half.json").write_text('{"tensors": ')
    for name in ("half.json", "absent.json"):
        with pytest.raises(BadInputError, match=f"{name}: holds no ranges that can be read"):
            read_ranges(tmp_path / name)


def test_few_samples_and_drawn_pictures_are_doubted() -> None:
    assert _SOME.doubts == ()
    assert "are few: give 16 or more" in replace(_SOME, count=8).doubts[0]
    assert "7% narrower on average" in replace(_SOME, missed_by_half=0.07).doubts[0]
    assert "unlike yours" in replace(_SOME, source="drawn pictures").doubts[0]


def test_room_is_left_where_it_costs_nothing() -> None:
    exact, roomy = (_SOME.measured(room=room)["x"] for room in (False, True))
    assert (exact["min"], exact["max"]) == (-1, 2)
    assert (roomy["min"], roomy["max"]) == (-1.5, 3)


def test_outliers_and_the_noise_of_8_bits() -> None:
    held = TensorRange(lowest=-1, highest=10, low=-1, high=2, rms=0.5)
    assert held.outliers == 5
    # A step of 11 / 255 makes noise of 0.0125 RMS, 40 times less than the signal.
    assert held.int8_db == pytest.approx(32.1, abs=0.1)
    assert TensorRange(0, 0, 0, 0, 0).outliers == 1
    assert TensorRange(0, 1, 0, 0, 0.1).outliers == math.inf
