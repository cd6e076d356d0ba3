"""Processes, as Linux lists them."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest


def _alive(marks: str) -> list[int]:
    """The processes that have this among their arguments and still run."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (folder / "cmdline").read_bytes().decode(errors="replace")
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):  # ended meanwhile
            continue
        if marks in arguments and state != "Z":
            found.append(int(folder.name))
    return found


@pytest.fixture
def processes_with() -> Callable[[str], list[int]]:
    """Text among the arguments to the ids of the running processes that have it there."""
    if not Path("/proc/self/cmdline").is_file():
        pytest.skip("processes are read from /proc, which is Linux's")
    return _alive


@pytest.fixture
def until() -> Callable[..., bool]:
    """`(condition, seconds=20)`: whether it came true in that time."""

    def wait(condition: Callable[[], object], seconds: float = 20) -> bool:
        deadline = time.monotonic() + seconds
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.05)
        return bool(condition())

    return wait
