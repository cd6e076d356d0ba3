import math
from typing import Any

import pytest

from chunkport.errors import UsageError
from convert.quantization.recipe import Recipe, Rule
from verify.optimize.evaluation import Result
from verify.optimize.outcome import Budgets, Goal, nearest_miss, parse_size, points_of, winner
from verify.optimize.search import Tried

PSNR = {"name": "psnr_db", "value": 40.0, "limit": 35.0, "sense": "at_least", "passed": True}
TOO_FAR = {**PSNR, "value": 30.0, "passed": False}


def tried(size: int, error: float, *rows: dict[str, Any], layer: str = "") -> Tried:
    recipe = Recipe((Rule("int8", layer=layer or str(size)),))
    return Tried("search", recipe, Result(size, size - 10, error, rows or (PSNR,)))


SMALL, MIDDLE, LARGE = tried(100, 9.0, TOO_FAR), tried(200, 3.0), tried(300, 1.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("900000", 900_000), ("0.9MB", 900_000), ("2 KiB", 2048), ("0.18x", 720_000), (".5x", 2e6)],
)
def test_sizes_are_read(text: str, expected: float) -> None:
    assert parse_size(text, 4_000_000) == expected


@pytest.mark.parametrize("text", ["", "small", "0.9 apples", "-5", "1e400x", "x"])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"0\.18x"):
        parse_size(text, 4_000_000)


@pytest.mark.parametrize(("goal", "size"), [("size", 200), ("latency", 300)])
def test_the_best_that_passes_is_chosen(goal: Goal, size: int) -> None:
    latencies = {MIDDLE.recipe: 2.0, LARGE.recipe: 1.0}
    confirmed = {MIDDLE.recipe: True, LARGE.recipe: True}
    chosen = winner(points_of([LARGE, SMALL, MIDDLE], latencies, confirmed), Budgets(), goal)
    assert chosen is not None
    assert chosen.tried.result.size_bytes == size


def test_what_fails_on_fresh_samples_is_not_chosen() -> None:
    points = points_of([MIDDLE, LARGE], {}, {MIDDLE.recipe: False, LARGE.recipe: True})
    chosen = winner(points, Budgets(), "size")
    assert chosen is not None
    assert chosen.tried is LARGE
    assert "samples that the search never saw" in points[0].misses(Budgets())[0]


def test_the_nearest_miss_says_what_failed() -> None:
    points = points_of([SMALL, MIDDLE, LARGE], {}, {})
    budgets = Budgets(size_bytes=150)
    assert winner(points, budgets, "size") is None
    nearest = nearest_miss(points, budgets)
    assert nearest is not None
    assert nearest.tried is LARGE  # one reason each; this one has the least error
    assert nearest.misses(budgets) == ["300 bytes, and --max-size allows 150"]
    assert points[0].misses(budgets) == ["psnr_db is 30, at least 35 passes"]


def test_a_slow_file_misses_its_budget() -> None:
    (point,) = points_of([MIDDLE], {MIDDLE.recipe: 2.5}, {MIDDLE.recipe: True})
    assert "2.5 ms" in point.misses(Budgets(latency_ms=2))[0]
    assert not point.misses(Budgets(latency_ms=3))


def test_the_front_is_what_nothing_beats_in_both() -> None:
    beaten = tried(250, 4.0)
    broken = Tried("search", Recipe(()), Result(0, 0, math.inf, fault="it does not load"))
    points = points_of([beaten, broken, SMALL, MIDDLE, LARGE], {}, {})
    assert [point.tried for point in points if point.best] == [SMALL, MIDDLE, LARGE]
    assert points[-1].misses(Budgets()) == ["it does not load"]
    assert points[-1].to_json()["error"] is None  # JSON has no infinity
