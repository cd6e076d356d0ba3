"""Whether what passed also passes on samples that the search never saw.

Of many that pass just so, some pass by the luck of the samples; where the smallest do not pass
again, the steps that led to them are gone back.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from convert.quantization.recipe import Recipe
from verify.optimize.evaluation import Candidate
from verify.optimize.layers import recipe_for
from verify.optimize.path import expected_error
from verify.optimize.search import FROM_SEARCH, Found, Tried
from verify.optimize.store import SavedResults


@dataclass(frozen=True)
class Confirmation:
    """What was asked again.

    Attributes:
        passed: by recipe, whether it passed on the fresh samples too.
        tried: the candidates that were judged on the way back.
    """

    passed: dict[Recipe, bool]
    tried: tuple[Tried, ...]


class WayBack:
    """The steps before those that passed, judged when asked for.

    Attributes:
        judged: what had to be judged for it.
    """

    def __init__(
        self, found: Found, saved: SavedResults, wanted: Callable[[Tried], bool] = lambda _one: True
    ) -> None:
        """Of the path of a search, none where it was stopped before; as far as one is wanted."""
        self._wanted = wanted
        self.judged: list[Tried] = []
        self._found, self._saved = found, saved
        self._known = {one.recipe: one for one in found.tried}
        self._path = [recipe_for(found.layers, step) for step in found.path]

    def __iter__(self) -> Iterator[Tried]:
        """Before the smallest that passed, each twice as far back, the smaller first.

        Those that the search had judged are left out.
        """
        passing = [
            place
            for place, recipe in enumerate(self._path)
            if recipe in self._known and self._known[recipe].result.passed
        ]
        smallest, stride = max(passing, default=0), 1
        while smallest - stride >= 0:
            place = smallest - stride
            stride *= 2
            if self._path[place] in self._known:
                continue
            step = self._step(place)
            if not self._wanted(step):  # those before it are larger still
                return
            yield step

    def smaller_than(self, recipe: Recipe, passes: Callable[[Tried], bool]) -> None:
        """Halve what lies between a step that passed again and the next one that did not."""
        if recipe not in self._path:
            return
        passing = self._path.index(recipe)
        after = range(passing + 1, len(self._path))
        failing = next((place for place in after if self._path[place] in self._known), passing)
        while failing - passing > 1:
            middle = (passing + failing) // 2
            if passes(self._step(middle)):
                passing = middle
            else:
                failing = middle

    def _step(self, place: int) -> Tried:
        recipe = self._path[place]
        if recipe not in self._known:
            (result,) = self._saved.results([Candidate(recipe, judged=True)])
            step = self._found.path[place]
            error = expected_error(self._found.sensitivity, step)
            self._known[recipe] = Tried(FROM_SEARCH, recipe, result, step, error)
            self.judged.append(self._known[recipe])
        return self._known[recipe]


def confirm(
    able: Sequence[Tried],
    fresh: SavedResults,
    on_candidate: Callable[[str], None],
    way_back: WayBack | None = None,
) -> Confirmation:
    """Ask the candidates in order until one passes again; if it is a step, those after it too.

    Args:
        able: what passed, the best first.
        fresh: results on the fresh samples.
        on_candidate: hears of each.
        way_back: steps to be asked before the candidates that are larger still.
    """
    passed: dict[Recipe, bool] = {}

    def passes(one: Tried) -> bool:
        if not one.result.passed:
            return False
        (result,) = fresh.results([Candidate(one.recipe, judged=True)])
        passed[one.recipe] = result.passed
        on_candidate("confirmed" if result.passed else "not confirmed")
        return result.passed

    for one in _by_size(able, way_back or ()):
        if passes(one):
            if way_back is not None and one is not able[0]:
                way_back.smaller_than(one.recipe, passes)
            break
    return Confirmation(passed, tuple(way_back.judged) if way_back is not None else ())


def _by_size(able: Sequence[Tried], way_back: Iterable[Tried]) -> Iterator[Tried]:
    """The first, and if that was not enough the others, with those of the way back among them.

    Of the way back none is judged before the first one failed.
    """
    yield from able[:1]
    yield from heapq.merge(able[1:], way_back, key=lambda one: one.result.size_bytes)
