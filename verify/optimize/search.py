"""The search: how far the cheapest steps go with real verdicts, then what is smaller close by."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from convert.quantization.precision import PRECISIONS
from convert.quantization.recipe import Recipe
from verify.optimize.evaluation import Candidate, Result
from verify.optimize.layers import Assignment, Layer, recipe_for
from verify.optimize.path import cheapest_steps, expected_error, smaller_neighbours
from verify.optimize.sensitivity import Sensitivity, measure_sensitivity
from verify.optimize.store import SavedResults

FROM_SEARCH = "search"
_LEAST_GAIN = 5e-4  # of the file; less is not worth a verdict


@dataclass(frozen=True)
class Bounds:
    """When the search ends by itself.

    Attributes:
        candidates: at most so many are tried, of layers alone and of whole files.
        seconds: at most so long.
        patience: after so many tries in a row that gain nothing.
        at_once: how many are tried side by side where each depends on what came of others; the
            search takes another way for another number.
        workers: how many are tried side by side where none depends on another.
    """

    candidates: int | None = None
    seconds: float | None = None
    patience: int = 12
    at_once: int = 1
    workers: int = 1


@dataclass(frozen=True)
class Tried:
    """A candidate with its full verdict.

    Attributes:
        name: of its precision, or `FROM_SEARCH`.
        assignment: the format of each layer; None for a precision of the table.
        expected_error: the sum of what its layers cost alone, likewise.
    """

    name: str
    recipe: Recipe
    result: Result
    assignment: Assignment | None = None
    expected_error: float | None = None


@dataclass(frozen=True)
class Found:
    """What a search came to.

    Attributes:
        layers: whose formats were chosen.
        sensitivity: of each layer, its formats alone.
        path: assignments from large to small, along which it was seen how far they pass.
        tried: the candidates with their verdicts, in the order in which they were tried.
        candidates: how many were tried, those of layers alone among them.
        reused: how many of these an earlier run had tried.
        stopped: why it went no further.
    """

    layers: tuple[Layer, ...]
    sensitivity: Sensitivity
    path: Sequence[Assignment]
    tried: tuple[Tried, ...]
    candidates: int
    reused: int
    stopped: str


class _BoundReachedError(Exception):
    """Its text says which."""


@dataclass
class _Search:
    """The state of one search: what was tried, and since when."""

    layers: tuple[Layer, ...]
    saved: SavedResults
    bounds: Bounds
    on_candidate: Callable[[str], None]
    sensitivity: Sensitivity = ()
    path: Sequence[Assignment] = ()
    tried: dict[Recipe, Tried] = field(default_factory=dict)
    candidates: int = 0
    started: float = field(default_factory=time.monotonic)

    def run(self) -> str:
        """Search; gives why it stopped."""
        try:
            self._judge([*_whole_precisions()])
            self.sensitivity = measure_sensitivity(self.layers, self._probe)
            self.path = cheapest_steps(self.sensitivity)
            return self._improve(self._furthest(self.path))
        except _BoundReachedError as bound:
            return str(bound)

    def _probe(self, assignments: Sequence[Assignment]) -> list[Result]:
        recipes = [recipe_for(self.layers, assignment) for assignment in assignments]
        return self._results([Candidate(recipe, judged=False) for recipe in recipes], "of a layer")

    def _judge(self, named: Sequence[tuple[str, Recipe]]) -> list[Result]:
        results = self._results([Candidate(recipe, judged=True) for _, recipe in named], "judged")
        for (name, recipe), result in zip(named, results, strict=True):
            self.tried.setdefault(recipe, Tried(name, recipe, result))
        return results

    def _judge_assignments(self, assignments: Sequence[Assignment]) -> list[Result]:
        recipes = [recipe_for(self.layers, assignment) for assignment in assignments]
        fresh = [one for one in dict.fromkeys(recipes) if one not in self.tried]
        results = self._results([Candidate(recipe, judged=True) for recipe in fresh], "judged")
        told = dict(zip(recipes, assignments, strict=True))
        for recipe, result in zip(fresh, results, strict=True):
            error = expected_error(self.sensitivity, told[recipe])
            self.tried[recipe] = Tried(FROM_SEARCH, recipe, result, told[recipe], error)
        return [self.tried[recipe].result for recipe in recipes]

    def _results(self, candidates: Sequence[Candidate], note: str) -> list[Result]:
        """The results, in batches between which the bounds are looked at."""
        found: list[Result] = []
        while len(found) < len(candidates):
            first = len(found)
            batch = candidates[first : first + self._check_bounds()]
            for result in self.saved.results(batch):
                found.append(result)
                self.candidates += 1
                self.on_candidate(f"{self.candidates} {note}")
        return found

    def _check_bounds(self) -> int:
        """How many may be tried before the bounds are to be looked at again."""
        most, seconds = self.bounds.candidates, self.bounds.seconds
        left = max(self.bounds.at_once, self.bounds.workers)
        if most is not None:
            left = min(left, most - self.candidates)
        if left <= 0:
            raise _BoundReachedError(f"--max-candidates {most} is reached")
        if seconds is not None and time.monotonic() - self.started > seconds:
            raise _BoundReachedError(f"--max-seconds {seconds:g} are over")
        return left

    def _furthest(self, steps: Sequence[Assignment]) -> Assignment | None:
        """The smallest of the steps that passes, where all before it pass; None where none does."""
        passing, failing = -1, len(steps)
        while failing - passing > 1:
            gap = failing - passing
            cuts = min(self.bounds.at_once, gap - 1)
            places = sorted({passing + gap * (cut + 1) // (cuts + 1) for cut in range(cuts)})
            results = self._judge_assignments([steps[place] for place in places])
            for place, result in zip(places, results, strict=True):
                if result.passed:
                    passing = place
                else:
                    failing = place
                    break
        return steps[passing] if passing >= 0 else None

    def _improve(self, best: Assignment | None) -> str:
        """Try what is smaller close by, until nothing is left or nothing was gained for long."""
        if best is None:
            return "nothing passes, not even with every layer as exact as it can be"
        failures = 0
        while True:
            least = math.ceil(_LEAST_GAIN * self._size_of(best))
            neighbours = (
                other
                for other in smaller_neighbours(self.sensitivity, best, least)
                if recipe_for(self.layers, other) not in self.tried
            )
            batch = list(islice(neighbours, self.bounds.at_once))
            if not batch:
                return "nothing that is smaller and one or two layers away passes"
            results = self._judge_assignments(batch)
            passing = [
                (result.size_bytes, place)
                for place, result in enumerate(results)
                if result.passed and result.size_bytes < self._size_of(best)
            ]
            if passing:
                best, failures = batch[min(passing)[1]], 0
                continue
            failures += len(batch)
            if failures >= self.bounds.patience:
                return f"{failures} tries in a row gained nothing (--patience)"

    def _size_of(self, assignment: Assignment) -> int:
        return self.tried[recipe_for(self.layers, assignment)].result.size_bytes


def search(
    layers: tuple[Layer, ...],
    saved: SavedResults,
    bounds: Bounds,
    on_candidate: Callable[[str], None] = lambda _note: None,
) -> Found:
    """Try the precisions of the table, then mixtures; `on_candidate` hears of each as it is done.

    Raises:
        BadInputError: the checkpoint or the float32 file is damaged.
    """
    state = _Search(layers, saved, bounds, on_candidate)
    stopped = state.run()
    return Found(
        *(layers, state.sensitivity, state.path, tuple(state.tried.values())),
        candidates=state.candidates,
        reused=saved.reused,
        stopped=stopped,
    )


def _whole_precisions() -> Iterator[tuple[str, Recipe]]:
    """Those of the table that need no calibration, to compare with."""
    for row in PRECISIONS:
        if row.recipe is not None and not row.recipe.calibrated:
            yield row.name, row.recipe
