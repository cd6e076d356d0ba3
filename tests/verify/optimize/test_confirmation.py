"""What is asked again on fresh samples, and in which order."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from convert.quantization.recipe import Recipe, Rule
from verify.optimize.confirmation import confirm
from verify.optimize.evaluation import Candidate, Result, Setting
from verify.optimize.search import Tried
from verify.optimize.store import SavedResults
from wrappers.spec import BuildOptions


def tried(size: int, *, passed: bool = True) -> Tried:
    row = {"name": "error", "passed": passed}
    return Tried("search", Recipe((Rule("int8", layer=str(size)),)), Result(size, size, 0, (row,)))


def size_of(candidate: Candidate) -> int:
    return int(candidate.recipe.rules[0].layer)


class Fresh:
    """Results on other samples, by which only these sizes pass; remembers what was asked."""

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
        self.results = SavedResults(folder / "results", setting, self._evaluate)

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
    folder: Path, passing: set[int], able: list[Tried], back: list[Tried]
) -> tuple[list[int], set[int]]:
    """What was asked, in order, and what passed."""
    fresh = Fresh(folder, passing)
    found = confirm(able, fresh.results, lambda _note: None, iter(back))
    sizes = {one.recipe: one.result.size_bytes for one in (*able, *back)}
    return fresh.asked, {sizes[recipe] for recipe, passed in found.passed.items() if passed}


def test_the_best_that_passes_again_ends_it(tmp_path: Path) -> None:
    able, back = [tried(100), tried(110)], [tried(120)]
    assert asked_of(tmp_path, {100, 110, 120}, able, back) == ([100], {100})


def test_steps_are_gone_back_before_what_is_larger_still(tmp_path: Path) -> None:
    able, back = [tried(100), tried(110), tried(900)], [tried(120), tried(150)]
    assert asked_of(tmp_path, {150, 900}, able, back) == ([100, 110, 120, 150], {150})


def test_what_failed_at_first_is_not_asked_again(tmp_path: Path) -> None:
    able, back = [tried(100), tried(900)], [tried(120, passed=False), tried(150)]
    assert asked_of(tmp_path, {900}, able, back) == ([100, 150, 900], {900})


def test_nothing_that_passes_confirms_nothing(tmp_path: Path) -> None:
    assert asked_of(tmp_path, {100}, [], []) == ([], set())
