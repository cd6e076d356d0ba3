"""Workers in processes of their own, by Ray: order, errors, sudden deaths, and nothing left."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from chunkport.errors import BadInputError, MissingDependencyError, UsageError, WorkerDiedError
from verify.distribution import Workers, map_in_order, open_workers

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Pool:
    workers: Workers
    warnings: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    warnings: list[str] = []
    with open_workers(2, on_warning=warnings.append) as workers:
        assert workers is not None
        yield Pool(workers, warnings)


@dataclass
class Squares:
    """Squares, and the process that made them; slow for the first, so that others overtake it."""

    called: int = 0

    def __call__(self, number: int) -> tuple[int, int, int]:
        if number == 0:
            time.sleep(0.5)
        self.called += 1
        return number**2, os.getpid(), self.called


@pytest.mark.integration
def test_results_come_in_order_from_two_processes_that_keep_what_they_have(pool: Pool) -> None:
    squares, pids, called = zip(*pool.workers.map_in_order(Squares(), range(20)), strict=True)
    assert squares == tuple(number**2 for number in range(20))
    assert len(set(pids)) == 2
    assert os.getpid() not in pids
    assert max(called) > 10  # one object for all of a worker's items
    again, others, called = zip(*pool.workers.map_in_order(Squares(), range(4)), strict=True)
    assert (again, set(others) <= set(pids)) == ((0, 1, 4, 9), True)
    assert sum(count == 1 for count in called) <= 2  # a new one for the next function


def refuse(number: int) -> int:
    if number == 2:
        time.sleep(0.5)  # a later one is refused before
    if number >= 2:
        raise BadInputError(f"{number}: is refused")
    return number


@pytest.mark.integration
def test_an_error_of_ours_is_itself_and_of_the_first_item(pool: Pool) -> None:
    found: list[int] = []
    with pytest.raises(BadInputError, match=r"^2: is refused$") as raised:
        found.extend(pool.workers.map_in_order(refuse, range(6)))
    assert raised.value.exit_code == 5
    assert found == [0, 1]
    assert list(pool.workers.map_in_order(abs, [-1, -2])) == [1, 2]  # still at work


@dataclass
class DieOf:
    """Kills its process at one item, as the system does for want of memory."""

    item: int
    marker: Path | None

    def __call__(self, number: int) -> int:
        if number == self.item and (self.marker is None or not self.marker.exists()):
            if self.marker is not None:
                self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return -number


@pytest.mark.integration
def test_of_an_item_whose_worker_was_killed_it_is_asked_again(pool: Pool, tmp_path: Path) -> None:
    pool.warnings.clear()
    die_once = DieOf(3, tmp_path / "died")
    assert list(pool.workers.map_in_order(die_once, range(6))) == [0, -1, -2, -3, -4, -5]
    (warning,) = pool.warnings
    assert warning.startswith("a worker died at part 4, most often for want of memory")


@pytest.mark.integration
def test_an_item_that_kills_two_workers_is_told(pool: Pool) -> None:
    with pytest.raises(WorkerDiedError, match=r"died at part 2, .* and so did another") as raised:
        list(pool.workers.map_in_order(DieOf(1, None), range(4)))
    assert raised.value.exit_code == 3
    assert list(pool.workers.map_in_order(abs, [-1, -2, -3])) == [1, 2, 3]


def test_one_worker_is_this_process() -> None:
    with open_workers(1) as workers:
        assert workers is None
        assert list(map_in_order(lambda _item: os.getpid(), [0], workers)) == [os.getpid()]


def test_without_ray_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'chunkport\[ray\]'"):  # noqa: SIM117 - one block fails
        with open_workers(2):
            pass


WORKING = """
import os, sys, time
from pathlib import Path
from verify.distribution import open_workers

def work(place):
    Path(place, str(os.getpid())).touch()
    time.sleep(600)

with open_workers(2) as workers:
    list(workers.map_in_order(work, [sys.argv[1]] * 2))
"""


@contextmanager
def at_work(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], list[int]]]:
    """A program whose two workers are at work, and their process ids."""
    pids, program = folder / "pids", folder / "program.py"
    pids.mkdir()
    program.write_text(WORKING)
    started = subprocess.Popen(
        [sys.executable, program, pids],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 120
        while len(list(pids.iterdir())) < 2 and time.monotonic() < until:
            assert started.poll() is None, "it ended by itself"
            time.sleep(0.1)
        yield started, [int(path.name) for path in pids.iterdir()]
    finally:
        started.kill()


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def children(pid: int) -> list[int]:
    """All processes below one, as Linux knows them."""
    found = [
        int(child)
        for path in Path(f"/proc/{pid}/task").glob("*/children")
        for child in path.read_text(encoding="utf-8").split()
    ]
    return found + [each for child in found for each in children(child)]


@pytest.mark.integration
@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked for as Linux lists them")
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_when_it_is_ended_no_process_is_left(end: signal.Signals, tmp_path: Path) -> None:
    with at_work(tmp_path) as (program, pids):
        below = children(program.pid)
        assert len(pids) == 2
        assert set(pids) <= set(below)
        folders = {word for pid in below for word in words(pid) if word.startswith("--log_dir=")}
        program.send_signal(end)
        program.wait(timeout=60)
        until = time.monotonic() + 30
        while any(map(alive, below)) and time.monotonic() < until:
            time.sleep(0.2)
        assert [pid for pid in below if alive(pid)] == []
    (logs,) = folders
    assert not Path(logs.removeprefix("--log_dir=")).parents[1].exists()


def words(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")


@pytest.mark.integration
def test_an_address_without_a_cluster_is_told() -> None:
    with pytest.raises(UsageError, match=r"^127\.0\.0\.1:1: no Ray cluster"):  # noqa: SIM117 - one block fails
        with open_workers(2, "127.0.0.1:1"):
            pass
