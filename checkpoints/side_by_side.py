"""Files written or read several at a time: while some wait for the disk, others are summed up."""

from collections import deque
from collections.abc import Callable, Sequence
from contextvars import copy_context
from threading import Thread
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_AT_ONCE = 4  # two to sum up and copy, two that wait for the disk


def side_by_side(
    work: Callable[[Item], Result], items: Sequence[Item], size: Callable[[Item], int]
) -> list[Result]:
    """What `work` gives for each item, in their order, in the context of the caller.

    The largest by `size` are begun first, so that none is left to do alone at the end. After an
    error, or Ctrl+C, no further item is begun, and what was begun has ended. Works while the
    interpreter shuts down, too, when executors refuse and threads may not start.

    Raises:
        Exception: the first that `work` raises, by the order of the items.
    """
    waiting = deque(sorted(range(len(items)), key=lambda number: -size(items[number])))
    results: dict[int, Result] = {}
    errors: dict[int, BaseException] = {}

    def take_turns() -> None:
        while waiting and not errors:
            try:
                number = waiting.popleft()
            except IndexError:
                return  # another thread took the last one
            try:
                results[number] = work(items[number])
            except BaseException as error:  # noqa: BLE001 - raised by the caller's thread
                errors[number] = error

    helpers = [
        Thread(target=copy_context().run, args=(take_turns,), name="checkpoint")
        for _ in range(min(_AT_ONCE, len(items)) - 1)
    ]
    started = []
    try:
        for helper in helpers:
            helper.start()
            started.append(helper)
    except RuntimeError:
        pass  # the interpreter shuts down; this thread does the rest
    try:
        take_turns()
    finally:
        waiting.clear()
        for helper in started:
            helper.join()
    if errors:
        raise errors[min(errors)]
    return [results[number] for number in range(len(items))]
