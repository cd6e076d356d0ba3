"""Runs killed at random instants go on to the same bits; one that does not is found out."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = ("float32", "bfloat16, saved in the background")
CONTROL = "rounded on resuming"

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform == "win32", reason="kills by fork and SIGKILL"),
]


def test_killed_runs_go_on_to_the_same_bits_and_lose_at_most_an_epoch() -> None:
    """Weights after every batch; at the end average, both Adams and random states as well."""
    ways = (*OURS, CONTROL)
    flags = ["--kills", "2", "--epochs", "3", "--format", "json"]
    flags += [flag for way in ways for flag in ("--way", way)]
    finished = subprocess.run(
        [sys.executable, "-m", "benchmarks.training_kills", *flags],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    rows = {row["way"]: row for row in json.loads(finished.stdout)["kills"]}
    assert tuple(rows) == ways
    for way in OURS:
        row = rows[way]
        assert row["kills"] == row["same"] == 2
        assert row["ends"] == row["same_ends"] >= 1
        assert row["left_over"] == 0
        assert row["most_batches_lost"] <= 6  # in the background, one save may wait for another
    assert rows[CONTROL]["same_ends"] == 0
    assert finished.returncode == 0
