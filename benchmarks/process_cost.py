"""What a command costs: time, and the memory of each process that it starts, from /proc (Linux).

Anonymous memory (RssAnon) is what a process has to itself and nothing can take back; pages of a
mapped file are left out, for the system drops them when it needs the room.
"""

import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_SAMPLED_EVERY_S = 0.02
_KIB = 1024


@dataclass(frozen=True)
class ProcessCost:
    """The most that one process took, sampled every 20 ms."""

    anonymous_bytes: int
    resident_bytes: int


@dataclass(frozen=True)
class CommandCost:
    """What a command took.

    Attributes:
        returncode: its own.
        output: its standard output.
        seconds: from start to end.
        processes: its processes in the order in which they started, itself first.
        anonymous_bytes: the most that they took together at one time.
    """

    returncode: int
    output: str
    seconds: float
    processes: tuple[ProcessCost, ...]
    anonymous_bytes: int


def run_measured(command: Sequence[str]) -> CommandCost:
    """Run the command to its end, its stderr let through, and sample all of its processes."""
    peaks: dict[int, ProcessCost] = {}
    together = 0
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        # A file: a pipe that nobody reads would stop the command when full.
        with subprocess.Popen(command, stdout=output) as process:  # noqa: S603  # the caller's own
            while process.poll() is None:
                sampled = {pid: _sample(pid) for pid in _with_descendants(process.pid)}
                for pid, now in sampled.items():
                    before = peaks.get(pid, ProcessCost(0, 0))
                    peaks[pid] = ProcessCost(
                        max(before.anonymous_bytes, now.anonymous_bytes),
                        max(before.resident_bytes, now.resident_bytes),
                    )
                together = max(together, sum(now.anonymous_bytes for now in sampled.values()))
                time.sleep(_SAMPLED_EVERY_S)
        seconds = time.perf_counter() - started
        output.seek(0)
        return CommandCost(
            process.returncode, output.read(), seconds, tuple(peaks.values()), together
        )


def _with_descendants(pid: int) -> list[int]:
    found = [pid]
    for parent in found:  # grows while it is walked
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += map(int, children.read_text(encoding="ascii").split())
            except (FileNotFoundError, ProcessLookupError):
                continue  # the thread has just ended
    return found


def _sample(pid: int) -> ProcessCost:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return ProcessCost(0, 0)
    fields = dict(line.split(":", 1) for line in status.splitlines())
    anonymous, resident = (
        int(fields[name].split()[0]) * _KIB if name in fields else 0  # a zombie has neither
        for name in ("RssAnon", "VmRSS")
    )
    return ProcessCost(anonymous, resident)
