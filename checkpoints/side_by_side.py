"""Files written or read several at a time: while some wait for the disk, others are summed up."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_AT_ONCE = 4  # two to sum up and copy, two that wait for the disk


def side_by_side(
    work: Callable[[Item], Result], items: Sequence[Item], size: Callable[[Item], int]
) -> list[Result]:
    """What `work` gives for each item, in their order, in the context of the caller.

    The largest by `size` are begun first, so that none is left to do alone at the end. After an
    error, or Ctrl+C, no further item is begun, and what was begun has ended.

    Raises:
        Exception: the first that `work` raises, by the order of the items.
    """
    executor = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="checkpoint")
    try:
        by_size = sorted(range(len(items)), key=lambda number: -size(items[number]))
        begun = {
            number: executor.submit(copy_context().run, work, items[number]) for number in by_size
        }
        return [begun[number].result() for number in range(len(items))]
    finally:
        executor.shutdown(cancel_futures=True)
