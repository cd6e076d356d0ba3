"""The same from the command line: one line that says what is wrong, exit code 5, nothing run."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from checkpoints import SavedCheckpoint

pytestmark = pytest.mark.integration
ROOT = Path(__file__).resolve().parents[2]


class Gadget:
    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> Any:
        return os.system, (f"touch '{self.canary}'",)


@pytest.mark.parametrize(
    "command",
    [
        ["check-models", "--deep"],
        ["extract-detector-weights", "-o", "detector.pth"],
    ],
    ids=lambda command: command[0],
)
@pytest.mark.parametrize("where", ["checkpoint", "placeholder", "manifest"])
def test_an_attack_is_refused(
    tmp_path: Path, chunked: SavedCheckpoint, canary: Path, command: list[str], where: str
) -> None:
    attacked = chunked.path
    if where == "manifest":
        assert chunked.manifest is not None
        chunked.manifest.write_bytes(b'{"tensors":' * 50_000)
    else:
        attacked = tmp_path / "m.pth" if where == "checkpoint" else attacked
        torch.save({"is_chunked": True, "x": Gadget(canary)}, attacked)
    name, *flags = command
    done = subprocess.run(
        [sys.executable, "-m", "scripts._cli", name, str(attacked), *flags],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 5, done.stderr
    assert "Traceback" not in done.stderr
    said = "nested too deeply" if where == "manifest" else f"asks for {os.system.__module__}.system"
    assert said in done.stdout + done.stderr
    assert not canary.exists()
