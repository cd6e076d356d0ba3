"""What is asked again on fresh samples, and in which order."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from convert.quantization.recipe import Rule
from verify.optimize.confirmation import WayBack, confirm
from verify.optimize.evaluation import Candidate, Result, Setting
from verify.optimize.layers import Layer, recipe_for
from verify.optimize.search import Found, Tried
from verify.optimize.sensitivity import Option
from verify.optimize.store import SavedResults
from wrappers.spec import BuildOptions

LAYERS = (Layer("Net/Linear", "FULLY_CONNECTED", ".*", ()),)


def rule(size: int) -> Rule:
    return Rule("int8", layer=str(size))


def tried(size: int, *, passed: bool = True) -> Tried:
    row = {"name": "error", "passed": passed}
    recipe = recipe_for(LAYERS, (rule(size),))
    return Tried("search", recipe, Result(size, size, 0, (row,)), (rule(size),))


def size_of(candidate: Candidate) -> int:
    return int(candidate.recipe.rules[0].layer)


class Judge:
    """Results where only these sizes pass; remembers what was asked."""

    def __init__(self, folder: Path, passing: set[int]) -> None:
        self.asked: list[int] = []
        self._passing = passing
        setting = Setting(
            *(folder / "none.tflite", "none", folder / "none.pth", BuildOptions(), ()),
            samples=1,
            probes=1,
            seed=1,
            threads=1,
        )
        self.results = SavedResults(folder, setting, self._evaluate)

    def _evaluate(self, candidates: Sequence[Candidate]) -> Iterator[Result]:
        for candidate in candidates:
            size = size_of(candidate)
            self.asked.append(size)
            yield tried(size, passed=size in self._passing).result


@pytest.fixture(autouse=True)
def named_by_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys of results without a real float32 file, whose card they read."""
    monkeypatch.setattr(
        "verify.optimize.store.key_of", lambda _setting, candidate: str(size_of(candidate))
    )


def asked_of(
    folder: Path,
    known: list[Tried],
    *,
    path: list[int],
    passing: set[int],
    fresh: set[int],
    largest: int = 1000,
) -> tuple[list[int], list[int], set[int]]:
    """What was judged on the way back, what was asked on fresh samples, and what passed there."""
    judge, again = Judge(folder / "search", passing), Judge(folder / "fresh", fresh)
    steps = [(rule(size),) for size in path]
    options = tuple(Option(rule(size), 0, 0.0) for size in path)
    found = Found(LAYERS, (options,), (steps,), tuple(known), len(known), 0, "")
    back = WayBack(found, judge.results, lambda one: one.result.size_bytes <= largest)
    able = [one for one in known if one.result.passed and one.result.size_bytes <= largest]
    confirmation = confirm(able, again.results, lambda _note: None, back)
    assert [one.result.size_bytes for one in confirmation.tried] == judge.asked
    confirmed = {int(one.rules[0].layer) for one, passed in confirmation.passed.items() if passed}
    return judge.asked, again.asked, confirmed


def test_the_best_that_passes_again_ends_it(tmp_path: Path) -> None:
    known, every = [tried(100), tried(110)], {100, 110, 120}
    found = asked_of(tmp_path, known, path=[120, 110, 100], passing=every, fresh=every)
    assert found == ([], [100], {100})


def test_steps_are_gone_back_before_what_is_larger_still(tmp_path: Path) -> None:
    path, every = [*range(190, 90, -10)], {*range(100, 200, 10)}
    found = asked_of(tmp_path, [tried(100), tried(900)], path=path, passing=every, fresh={180, 900})
    assert found[1][:4] == [100, 110, 120, 140]
    assert found[2] == {180}
    assert 900 not in found[1]


def test_what_lies_between_the_last_steps_is_halved(tmp_path: Path) -> None:
    path, every = [*range(190, 90, -10)], {*range(100, 200, 10)}
    fresh = {150, 160, 170, 180, 190}
    found = asked_of(tmp_path, [tried(100)], path=path, passing=every, fresh=fresh)
    assert found[1] == [100, 110, 120, 140, 180, 160, 150]
    assert min(found[2]) == 150


def test_what_failed_at_first_is_not_asked_again(tmp_path: Path) -> None:
    known = [tried(100), tried(900)]
    found = asked_of(tmp_path, known, path=[150, 120, 100], passing={150}, fresh={900})
    assert found == ([120, 150], [100, 150, 900], {900})


def test_nobody_goes_back_beyond_what_is_wanted(tmp_path: Path) -> None:
    path, every = [190, 180, 120, 100], {*range(100, 200, 10)}
    found = asked_of(
        tmp_path, [tried(100)], path=path, passing=every, fresh={190, 180}, largest=150
    )
    assert found == ([120, 180], [100, 120], set())


def test_nothing_that_passes_confirms_nothing(tmp_path: Path) -> None:
    found = asked_of(tmp_path, [], path=[120, 100], passing=set(), fresh={100})
    assert found == ([], [], set())
