"""`stats.jsonl`: every line whole, and none that a later attempt made untrue."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from chunkport.errors import BadInputError
from train.stats import append_stats, cut_stats


def lines_of(path: Path) -> list[dict[str, Any]]:
    text = path.read_text(encoding="utf-8")
    return [json.loads(line, parse_constant=pytest.fail) for line in text.splitlines()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Three epochs of four steps, with a line for every two steps."""
    path = tmp_path / "stats.jsonl"
    for epoch in (1, 2, 3):
        for step in (4 * epoch - 2, 4 * epoch):
            append_stats(path, {"kind": "steps", "epoch": epoch, "step": step})
        append_stats(path, {"kind": "epoch", "epoch": epoch, "step": 4 * epoch})
    return path


def test_lines_are_appended_and_hold_only_json(tmp_path: Path) -> None:
    path = tmp_path / "stats.jsonl"
    append_stats(path, {"kind": "epoch", "epoch": 1, "loss": math.inf})
    before = path.read_bytes()
    append_stats(path, {"kind": "epoch", "epoch": 2, "loss": 0.5})
    assert path.read_bytes().startswith(before)
    assert [line["loss"] for line in lines_of(path)] == [None, 0.5]


@pytest.mark.parametrize(
    ("epoch", "step", "kept"),
    [(3, 12, 9), (2, 8, 6), (1, 6, 4), (1, 8, 5), (0, 0, 0)],
    ids=["all", "an epoch", "within one", "before its end", "a new run"],
)
def test_what_was_not_yet_when_the_checkpoint_was_saved_is_cut_off(
    path: Path, epoch: int, step: int, kept: int
) -> None:
    before = lines_of(path)
    assert cut_stats(path, epoch, step) == 9 - kept
    assert lines_of(path) == before[:kept]
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_a_line_that_a_kill_cut_off_is_dropped(path: Path) -> None:
    before = path.read_bytes()
    path.write_bytes(before + b'{"kind": "epoch", "ep')
    assert cut_stats(path, 3, 12) == 1
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "line", ["shopping list", '{"epoch": 1}', "[1]", '{"kind": 1, "step": {}}']
)
def test_a_file_of_something_else_is_left_alone(path: Path, line: str) -> None:
    path.write_text(path.read_text() + line + "\n")
    before = path.read_bytes()
    with pytest.raises(BadInputError, match=r"stats.jsonl: line 10 is not of a training run"):
        cut_stats(path, 1, 4)
    assert path.read_bytes() == before


def test_there_is_nothing_to_cut_where_there_is_no_file(tmp_path: Path) -> None:
    assert cut_stats(tmp_path / "stats.jsonl", 0, 0) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_lines_before_whole(small_disk: Path) -> None:
    path = small_disk / "stats.jsonl"
    append_stats(path, {"kind": "epoch", "epoch": 1, "step": 4})
    before = path.read_bytes()
    with pytest.raises(OSError, match=r"No space|only a part"):
        append_stats(path, {"kind": "epoch", "text": "x" * (3 << 20)})
    assert path.read_bytes() == before
