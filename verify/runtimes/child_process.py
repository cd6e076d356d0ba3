"""A program that runs beside this one, and does not outlive the block that it runs in."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_SECONDS_TO_LEAVE = 5


@dataclass(frozen=True)
class Child:
    """A running program and what it says on stderr."""

    name: str
    popen: subprocess.Popen[bytes]
    said: IO[bytes]

    def ended(self) -> RuntimeError:
        """The error that it came to an end, with its last words."""
        try:
            code = self.popen.wait(_SECONDS_TO_LEAVE)
        except subprocess.TimeoutExpired:
            how = "no longer answers"
        else:
            how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        self.said.seek(0)
        lines = self.said.read().decode(errors="replace").strip().splitlines()
        telling = [line for line in lines if "Error" in line] or lines
        last = f": {telling[-1]}" if telling else ""
        return RuntimeError(f"{self.name} {how}{last}")


@contextmanager
def child_process(
    name: str,
    command: Sequence[str | Path],
    *,
    stdout: int = subprocess.PIPE,
    env: Mapping[str, str] | None = None,
) -> Iterator[Child]:
    """Start a program with a pipe to its stdin; end it and its own children with the block.

    It is in a session of its own: what a person types to stop us does not reach it before we have
    done with it.
    """
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(  # noqa: S603 - node or Chromium, as found by programs.py
            list(map(str, command)),
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=said,
            env=env,
            start_new_session=True,
        ) as popen,
    ):
        try:
            yield Child(name, popen, said)
        finally:
            _end(popen)


def _end(popen: subprocess.Popen[bytes]) -> None:
    """Politely; then by force, with all that it started."""
    assert popen.stdin is not None
    with suppress(BrokenPipeError):  # of a frame that nobody read
        popen.stdin.close()
    popen.terminate()
    try:
        popen.wait(_SECONDS_TO_LEAVE)
    except subprocess.TimeoutExpired:
        popen.kill()
    if sys.platform != "win32":
        try:
            os.killpg(popen.pid, signal.SIGKILL)
        except ProcessLookupError:  # none is left
            return
