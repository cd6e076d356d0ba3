"""Work spread over processes by Ray, on this machine or on a cluster; results come in order."""

import importlib.util
import logging
import os
import secrets
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from chunkport.errors import MissingDependencyError, UsageError, WorkerDiedError

Item = TypeVar("Item")
Result = TypeVar("Result")

ADDRESS_VARIABLE = "RAY_ADDRESS"
_HERE = "local"
_MISSING = "ray is not installed, and --workers needs it; pip install 'chunkport[ray]'"
_OBJECT_STORE_BYTES = 256 << 20  # of shared memory; what does not fit goes to the temporary folder
_LONGEST_FOLDER = 30  # characters: its sockets lie deep below it, in at most 107
_TRIES = 2
_THREADS_VARIABLE = "OMP_NUM_THREADS"
# Ray would send statistics of its use, warn of what it will do otherwise some day, and let its
# workers run only when nobody else does.
_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_worker_niceness": "0",
}


@dataclass
class _Task(Generic[Item]):
    """One item on its way; `tries` counts the workers that it was given to."""

    place: int
    item: Item
    tries: int = 0


@dataclass(frozen=True)
class _Work:
    """A function and what it finds around it, as in the process that sends it.

    Attributes:
        number: of the function, counted up.
        function: a reference to it, in a tuple, for it to be fetched when it is new and no sooner.
        folder: the working directory.
        threads: PyTorch's; in what order it adds, and so the last bit, depends on their number.
    """

    number: int
    function: tuple[Any]
    folder: str
    threads: int

    def prepare(self) -> Callable[[Any], Any]:
        """The function, once everything around it is as it was.

        Raises:
            UsageError: the working directory is not on this machine.
        """
        import ray
        import torch

        try:
            os.chdir(self.folder)
        except OSError as error:
            raise UsageError(
                f"{self.folder}: not there on a worker's machine ({error.strerror}); all machines "
                "of a cluster must have the same files in the same place"
            ) from error
        torch.set_num_threads(self.threads)
        function: Callable[[Any], Any] = ray.get(self.function[0])
        return function


@dataclass
class _Worker:
    """What runs in a process of its own: one function at a time, with all that it has loaded."""

    _number: int = 0
    _function: Callable[[Any], Any] | None = None

    def call(self, work: _Work, item: Any) -> Any:
        """The function of one item."""
        if work.number != self._number or self._function is None:
            self._function = None  # before the next: each may hold a whole network
            self._function = work.prepare()
            self._number = work.number
        return self._function(item)


@dataclass
class Workers:
    """Processes that wait for work; from `open_workers`."""

    count: int
    on_warning: Callable[[str], None] = lambda _warning: None
    _idle: list[Any] = field(default_factory=list)
    _functions: int = 0

    def map_in_order(
        self, function: Callable[[Item], Result], items: Iterable[Item]
    ) -> Iterator[Result]:
        """What the function gives of each item, in the order of the items.

        It is sent to each worker once and stays there until the next function comes, so that what
        it loads it loads once. Of an item whose worker dies it is asked once more.

        Raises:
            WorkerDiedError: two workers died of the same item.
            Exception: whatever the function raises, of the first item of which it does.
        """
        import ray
        import torch

        self._functions += 1
        work = _Work(
            *(self._functions, (ray.put(function),)), str(Path.cwd()), torch.get_num_threads()
        )
        waiting = deque(_Task(place, item) for place, item in enumerate(items))
        busy: dict[Any, tuple[Any, _Task[Item]]] = {}
        done: dict[int, Callable[[], Result]] = {}
        turn = 0
        try:
            while waiting or busy or turn in done:
                while waiting and len(busy) < self.count:
                    task, worker = waiting.popleft(), self._worker()
                    task.tries += 1
                    busy[worker.call.remote(work, task.item)] = worker, task
                (ready, *_), _ = ray.wait(list(busy), num_returns=1)
                worker, task = busy.pop(ready)
                outcome = self._outcome(ready, worker, task)
                if outcome is None:
                    waiting.appendleft(task)
                else:
                    done[task.place] = outcome
                while turn in done:
                    yield done.pop(turn)()
                    turn += 1
        finally:
            for worker, _task in busy.values():  # nobody waits for these any more
                ray.kill(worker)

    def _worker(self) -> Any:
        if self._idle:
            return self._idle.pop()
        import ray

        # Ray would let NumPy compute in one thread, unless it is told how many; where that is empty
        # NumPy takes as many as in this process. In what order it adds depends on their number.
        threads = {_THREADS_VARIABLE: os.environ.get(_THREADS_VARIABLE, "")}
        return ray.remote(
            num_cpus=1, max_restarts=0, max_task_retries=0, runtime_env={"env_vars": threads}
        )(_Worker).remote()

    def _outcome(self, ready: Any, worker: Any, task: _Task[Any]) -> Callable[[], Any] | None:
        """What gives or raises the result of a task; None where it is to be tried again."""
        import ray
        from ray.exceptions import RayError, RayTaskError

        try:
            result = ray.get(ready)
        except RayTaskError as error:
            self._idle.append(worker)
            return _raising(error.cause, error)
        except RayError as error:
            said = f"a worker died at part {task.place + 1}, most often for want of memory"
            if task.tries < _TRIES:
                self.on_warning(f"{said}; the part is tried again")
                return None
            return _raising(
                WorkerDiedError(f"{said}, and so did another; try again with fewer --workers"),
                error,
            )
        self._idle.append(worker)
        return lambda: result


def _raising(error: BaseException, cause: BaseException) -> Callable[[], Any]:
    def give() -> Any:
        raise error from cause

    return give


def map_in_order(
    function: Callable[[Item], Result], items: Iterable[Item], workers: Workers | None
) -> Iterator[Result]:
    """As `Workers.map_in_order`, or one after the other in this process where there are none."""
    return map(function, items) if workers is None else workers.map_in_order(function, items)


def require_ray() -> None:
    """Refuse before the long work.

    Raises:
        MissingDependencyError: Ray is not installed.
    """
    if importlib.util.find_spec("ray") is None:
        raise MissingDependencyError(_MISSING)


@contextmanager
def open_workers(
    count: int,
    address: str | None = None,
    *,
    on_note: Callable[[str], None] = lambda _note: None,
    on_warning: Callable[[str], None] = lambda _warning: None,
) -> Iterator[Workers | None]:
    """That many processes until the block ends; None for one alone, which is this one.

    They are of the cluster at `address` or at RAY_ADDRESS, if there is one, and else of this
    machine; then nothing of them is left afterwards. What Ray says on stdout goes to stderr
    meanwhile. `on_note` is told what is being done, and `on_warning` of workers that died.

    Raises:
        MissingDependencyError: Ray is not installed.
        UsageError: no cluster is at the address, one that this Ray cannot talk to, or too small a
            one.
    """
    if count == 1 and address is None:
        yield None
        return
    require_ray()
    address = address or os.environ.get(ADDRESS_VARIABLE) or _HERE
    for name, value in (_SETTINGS | (_locked() if address == _HERE else {})).items():
        os.environ.setdefault(name, value)
    import ray

    with ExitStack() as stack:
        stack.enter_context(redirect_stdout(sys.stderr))
        on_note(f"starting {count} workers")
        own: dict[str, Any] = {}
        if address == _HERE:
            folder = tempfile.TemporaryDirectory(
                prefix="chunkport-", dir=_short_folder(), ignore_cleanup_errors=True
            )
            own = {
                "_temp_dir": stack.enter_context(folder),
                "num_cpus": count,
                "object_store_memory": _OBJECT_STORE_BYTES,
                "include_dashboard": False,
            }
        stack.callback(ray.shutdown)
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **own)
        except (ConnectionError, RuntimeError) as error:
            if address == _HERE:
                raise
            raise UsageError(
                f"{address}: no Ray cluster to work with ({str(error).splitlines()[0]}); name one "
                f"that runs and lets this process in (as RAY_AUTH_MODE says), or leave out "
                f"--ray-address and {ADDRESS_VARIABLE}"
            ) from error
        found: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]  # so Ray has it
        processors = int(found.get("CPU", 0))
        if processors < count:
            raise UsageError(
                f"{address}: {count} workers need as many processors, and the cluster has "
                f"{processors}; ask for fewer --workers"
            )
        yield Workers(count, on_warning)


def _locked() -> dict[str, str]:
    """A token for this run alone: Ray listens on the network, and runs what anybody sends it."""
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


def _short_folder() -> str | None:
    """Where temporary folders may lie; None for where they lie by themselves."""
    return None if len(tempfile.gettempdir()) <= _LONGEST_FOLDER else "/tmp"  # noqa: S108 - a folder of our own in it, which others cannot read
