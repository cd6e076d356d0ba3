"""The largest detector, made, cut into chunks and converted within its bounds."""

import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.full_scale
@pytest.mark.skipif(sys.platform != "linux", reason="samples memory from /proc")
def test_chunkyseal_is_converted_within_its_bounds(tmp_path: Path) -> None:
    """Takes minutes and 15 GB of disk; of memory 1.2 GiB to make files and more to compare."""

    def run(*arguments: str) -> None:
        subprocess.run([sys.executable, *arguments], cwd=_ROOT, check=True)

    checkpoint = tmp_path / "chunkyseal.pth"
    run("-m", "benchmarks.made_weights", "chunkyseal", "-o", str(checkpoint), "--chunk")
    run("-m", "benchmarks.full_size_conversion", str(checkpoint), "-o", str(tmp_path / "made"))
