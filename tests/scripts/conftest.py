import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run_python(tmp_path: Path) -> Run:
    """Run Python with arguments in a process of its own, in a folder of its own."""

    def run(
        *arguments: str | Path, folder: Path = tmp_path, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def run_chunkport(run_python: Run) -> Run:
    """Run `chunkport` with arguments, likewise."""
    return partial(run_python, "-m", "scripts._cli")
