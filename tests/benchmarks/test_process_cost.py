"""Memory is found where it is taken: in whichever process, and only if it is its own."""

import sys
from pathlib import Path

import pytest

from benchmarks.process_cost import run_measured

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

MIB = 1 << 20
TAKE = "import time; taken = bytearray({mib} * 2**20); time.sleep(0.3)"


def test_each_process_is_measured_and_all_together() -> None:
    inner = TAKE.format(mib=96)
    outer = (
        f"import subprocess, sys; taken = bytearray(64 * 2**20);"
        f"subprocess.run([sys.executable, '-c', {inner!r}]); print('done')"
    )
    cost = run_measured([sys.executable, "-c", outer])
    assert (cost.returncode, cost.output) == (0, "done\n")
    first, second = cost.processes
    assert 64 * MIB < first.anonymous_bytes < 94 * MIB
    assert 96 * MIB < second.anonymous_bytes < 126 * MIB
    assert cost.anonymous_bytes > 160 * MIB
    assert cost.seconds > 0.3


def test_pages_of_a_mapped_file_are_not_counted_as_anonymous(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 4096 * 100)
    code = (
        "import mmap, sys, time; file = open(sys.argv[1], 'rb');"
        "mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY);"
        "sum(mapped[::4096]); time.sleep(0.3)"
    )
    (cost,) = run_measured([sys.executable, "-c", code, str(path)]).processes
    assert cost.resident_bytes - cost.anonymous_bytes > 100 * MIB
    assert cost.anonymous_bytes < 40 * MIB


def test_a_failing_commands_code_is_told() -> None:
    assert run_measured([sys.executable, "-c", "raise SystemExit(3)"]).returncode == 3
