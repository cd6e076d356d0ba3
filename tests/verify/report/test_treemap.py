import pytest
from hypothesis import given
from hypothesis import strategies as some

from verify.report.treemap import Rectangle, squarify

WHOLE = Rectangle(0, 0, 6, 4)
SIZES = some.lists(some.integers(0, 10**9), min_size=1, max_size=40)


def area(of: Rectangle) -> float:
    return of.width * of.height


def overlap(one: Rectangle, other: Rectangle) -> float:
    across = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    down = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    return max(across, 0) * max(down, 0)


def test_the_example_of_the_paper() -> None:
    placed = squarify([6, 6, 4, 3, 2, 2, 1], WHOLE)
    assert placed[0] == Rectangle(0, 0, 3, 2)
    assert placed[1] == Rectangle(0, 2, 3, 2)
    assert (placed[2].x, placed[2].y) == (3, 0)
    assert placed[2].width == pytest.approx(12 / 7)
    assert placed[2].height == pytest.approx(7 / 3)
    ratios = [max(it.width / it.height, it.height / it.width) for it in placed]
    assert max(ratios) < 3


@given(SIZES)
def test_areas_are_as_the_sizes_and_fill_the_whole(sizes: list[int]) -> None:
    placed = squarify(sizes, WHOLE)
    total = sum(sizes)
    for size, rectangle in zip(sizes, placed, strict=True):
        expected = area(WHOLE) * size / total if total else 0
        assert area(rectangle) == pytest.approx(expected, rel=1e-6, abs=1e-9)


@given(SIZES)
def test_nothing_overlaps_or_leaves_the_whole(sizes: list[int]) -> None:
    placed = squarify(sorted(sizes, reverse=True), WHOLE)
    for place, rectangle in enumerate(placed):
        assert rectangle.x >= -1e-9
        assert rectangle.y >= -1e-9
        assert rectangle.x + rectangle.width <= WHOLE.width + 1e-6
        assert rectangle.y + rectangle.height <= WHOLE.height + 1e-6
        assert all(overlap(rectangle, other) < 1e-6 for other in placed[place + 1 :])


def test_nothing_at_all_has_no_area() -> None:
    assert [area(it) for it in squarify([0, 0], WHOLE)] == [0, 0]
    assert squarify([], WHOLE) == []
