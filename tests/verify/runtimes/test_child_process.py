"""A program beside ours: its end is told in plain words, and nothing of it stays."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from verify.runtimes.child_process import child_process

_SLEEPS = "import time; print('up', flush=True); time.sleep(60)"


def running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # What was ended but not yet waited for, by its adoptive parent, runs no more.
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def until(what: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not what() and time.monotonic() < deadline:
        time.sleep(0.02)
    return what()


def test_it_runs_as_long_as_the_block() -> None:
    with child_process("Python", [sys.executable, "-c", _SLEEPS]) as child:
        assert child.popen.stdout is not None
        assert child.popen.stdout.readline() == b"up\n"
        assert running(child.popen.pid)
    assert child.popen.returncode == -signal.SIGTERM


def test_it_ends_with_the_block_also_where_that_fails() -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        child_process("Python", [sys.executable, "-c", _SLEEPS]) as child,
    ):
        raise KeyboardInterrupt
    assert child.popen.returncode is not None


def test_what_does_not_want_to_end_and_its_children_are_ended_by_force(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("verify.runtimes.child_process._SECONDS_TO_LEAVE", 0.3)
    stubborn = 'trap "" TERM; sleep 60 & echo $!; echo up; while :; do wait; done'
    with child_process("sh", ["/bin/sh", "-c", stubborn]) as child:
        assert child.popen.stdout is not None
        grandchild = int(child.popen.stdout.readline())
        assert child.popen.stdout.readline() == b"up\n"
        assert running(grandchild)
    assert child.popen.returncode == -signal.SIGKILL
    assert until(lambda: not running(grandchild))


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("raise SystemExit(3)", "Python ended with code 3"),
        ("import os; os.kill(os.getpid(), 9)", "Python was killed by signal 9"),
        ("raise OSError('the disk is gone')", "ended with code 1: OSError: the disk is gone"),
        ("raise SystemExit('Error: no such file\\n\\nNode.js v20')", "code 1: Error: no such file"),
        ("raise SystemExit('no room\\nleft')", "ended with code 1: left"),
    ],
)
def test_how_it_ended_is_told_with_its_last_words(program: str, words: str) -> None:
    with child_process("Python", [sys.executable, "-c", program]) as child:
        assert words in str(child.ended())


def test_one_that_runs_and_is_silent_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verify.runtimes.child_process._SECONDS_TO_LEAVE", 0.1)
    with child_process("Python", [sys.executable, "-c", _SLEEPS]) as child:
        assert str(child.ended()) == "Python no longer answers"
