import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pytest

from scripts._cli import main

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


@pytest.fixture
def run_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Run `chunkport` with arguments in this process, where its libraries are loaded already."""

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["chunkport", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        code = left.value.code
        assert isinstance(code, int)
        return subprocess.CompletedProcess(sys.argv, code, said.out, said.err)

    return run


PEAK_MIB = """
import resource, sys
def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
bare = peak_mib()
from scripts._cli import main
try:
    main()
except SystemExit as end:
    assert end.code == 0, end.code
assert not {"torch", "numpy"} & set(sys.modules)
print(peak_mib() - bare)
"""


@pytest.fixture
def peak_mib(run_python: Run) -> Callable[..., float]:
    """MiB above the interpreter's own that a command takes at the most, as Linux counts.

    The command must come to a good end, and import neither torch nor NumPy.
    """

    def measure(*arguments: str | Path) -> float:
        done = run_python("-c", PEAK_MIB, *arguments)
        assert done.returncode == 0, done.stderr
        return float(done.stdout.splitlines()[-1])

    return measure


@pytest.fixture
def saying(save_tinyseal: Callable[..., Path], tmp_path: Path) -> Path:
    """A checkpoint whose detector reads `deadbeef` in every picture."""
    return save_tinyseal(
        tmp_path / "saying.pth", says=tuple(int(bit) for bit in f"{0xDEADBEEF:032b}")
    )
