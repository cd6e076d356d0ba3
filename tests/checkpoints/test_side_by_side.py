import threading
from contextvars import ContextVar

import pytest

from checkpoints.side_by_side import side_by_side

WHERE: ContextVar[str] = ContextVar("WHERE", default="elsewhere")


def test_results_are_in_the_order_of_the_items() -> None:
    assert side_by_side(lambda item: item * 2, range(9)) == [0, 2, 4, 6, 8, 10, 12, 14, 16]
    assert side_by_side(lambda item: item, []) == []


def test_two_are_at_work_at_once() -> None:
    both = threading.Barrier(2)
    assert side_by_side(lambda _: both.wait(timeout=10) >= 0, range(4)) == [True] * 4


def test_work_sees_what_the_caller_has_set() -> None:
    token = WHERE.set("here")
    try:
        assert side_by_side(lambda _: WHERE.get(), range(3)) == ["here"] * 3
    finally:
        WHERE.reset(token)


def test_after_an_error_nothing_more_is_begun() -> None:
    begun = []

    def fail(item: int) -> None:
        begun.append(item)
        raise ValueError(f"item {item}")

    with pytest.raises(ValueError, match="item 0"):
        side_by_side(fail, range(1000))
    assert len(begun) < 1000
