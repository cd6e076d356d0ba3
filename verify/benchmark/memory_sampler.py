"""Watches how much anonymous memory a process has: python memory_sampler.py PID.

A process of its own, so that it also looks while the other is deep in native code. It prints a
line when it has begun, and the most bytes that it saw when its input ends. Linux only.
"""

import select
import sys
from pathlib import Path

_EVERY_S = 0.002


def anonymous_bytes(pid: str) -> int | None:
    """What a process has to itself now; None where the system does not tell."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    found = [line for line in lines if line.startswith("RssAnon:")]
    return int(found[0].split()[1]) * 1024 if found else None


def _watch(pid: str) -> None:
    peak = 0
    sys.stdout.write("watching\n")
    sys.stdout.flush()
    while not select.select([sys.stdin], [], [], _EVERY_S)[0]:
        peak = max(peak, anonymous_bytes(pid) or 0)
    peak = max(peak, anonymous_bytes(pid) or 0)
    sys.stdout.write(f"{peak}\n")


if __name__ == "__main__":
    _watch(sys.argv[1])
