"""Made checkpoints of the published sizes, as the benchmarks take them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DETECTOR_BYTES = 33_372_545 * 4


@pytest.mark.integration
def test_the_size_told_is_of_all_files(tmp_path: Path) -> None:
    target = tmp_path / "made.pth"
    command = ["-m", "benchmarks.made_weights", "videoseal-1.0", "-o", str(target)]
    done = subprocess.run(
        [sys.executable, *command, "--chunk", "--format", "json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)["size_bytes"]
    assert told == sum(file.stat().st_size for file in tmp_path.iterdir())
    assert DETECTOR_BYTES < told < 1.01 * DETECTOR_BYTES
