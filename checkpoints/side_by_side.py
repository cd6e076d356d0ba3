"""Files written or read two at a time: while one waits for the disk, the other is summed up."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_AT_ONCE = 2


def side_by_side(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """What `work` gives for each item, in their order, in the context of the caller.

    After an error, or Ctrl+C, no further item is begun, and what was begun has ended.

    Raises:
        Exception: the first that `work` raises, by the order of the items.
    """
    executor = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="checkpoint")
    try:
        begun = [executor.submit(copy_context().run, work, item) for item in items]
        return [future.result() for future in begun]
    finally:
        executor.shutdown(cancel_futures=True)
