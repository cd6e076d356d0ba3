import subprocess
import sys
import threading
from contextvars import ContextVar

import pytest

from checkpoints.side_by_side import side_by_side

WHERE: ContextVar[str] = ContextVar("WHERE", default="elsewhere")


def same(item: int) -> int:
    return item


def test_results_are_in_the_order_of_the_items() -> None:
    assert side_by_side(lambda item: item * 2, range(9), same) == list(range(0, 18, 2))
    assert side_by_side(same, [], same) == []


def test_the_largest_are_begun_first() -> None:
    begun: list[int] = []
    side_by_side(begun.append, [1, 5, 9, 2, 7], same)
    assert begun[0] in (9, 7)
    assert begun[-1] in (1, 2)


def test_several_are_at_work_at_once() -> None:
    all_of_them = threading.Barrier(4)
    assert side_by_side(lambda _: all_of_them.wait(timeout=10) >= 0, range(4), same) == [True] * 4


def test_work_sees_what_the_caller_has_set() -> None:
    token = WHERE.set("here")
    try:
        assert side_by_side(lambda _: WHERE.get(), range(3), same) == ["here"] * 3
    finally:
        WHERE.reset(token)


def test_after_an_error_nothing_more_is_begun() -> None:
    begun = []

    def fail(item: int) -> None:
        begun.append(item)
        raise ValueError(f"item {item}")

    with pytest.raises(ValueError, match="item 0"):
        side_by_side(fail, range(1000), lambda item: -item)
    assert len(begun) < 1000


AT_THE_END = """
import atexit
from checkpoints.side_by_side import side_by_side
atexit.register(lambda: print(side_by_side(lambda n: n + 1, range(9), lambda n: n)))
"""


def test_it_works_while_the_interpreter_shuts_down() -> None:
    done = subprocess.run(
        [sys.executable, "-c", AT_THE_END], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(list(range(1, 10))), done.stderr
