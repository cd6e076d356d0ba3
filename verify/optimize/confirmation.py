"""Whether what passed also passes on samples that the search never saw.

Of many that pass just so, some pass by the luck of the samples; where the smallest do not pass
again, the steps that led to them are gone back.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from convert.quantization.recipe import Recipe
from verify.optimize.evaluation import Candidate
from verify.optimize.layers import recipe_for
from verify.optimize.path import cheapest_steps, expected_error
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


def confirm(
    able: Sequence[Tried],
    fresh: SavedResults,
    on_candidate: Callable[[str], None],
    way_back: Iterator[Tried],
) -> Confirmation:
    """Ask the candidates in order until one passes again.

    Args:
        able: what passed, the best first.
        fresh: results on the fresh samples.
        on_candidate: hears of each.
        way_back: larger ones, to be asked before the candidates that are larger still.
    """
    passed: dict[Recipe, bool] = {}
    judged: list[Tried] = []
    for one in _by_size(able, way_back, judged):
        (result,) = fresh.results([Candidate(one.recipe, judged=True)])
        passed[one.recipe] = result.passed
        on_candidate("confirmed" if result.passed else "not confirmed")
        if result.passed:
            break
    return Confirmation(passed, tuple(judged))


def steps_back(found: Found, saved: SavedResults) -> Iterator[Tried]:
    """The steps before the smallest one that passed, each twice as far back, judged when asked for.

    None where the search was stopped before it took any step.
    """
    if len(found.sensitivity) < len(found.layers):
        return
    known = {one.recipe: one for one in found.tried}
    steps = cheapest_steps(found.sensitivity)
    recipes = [recipe_for(found.layers, step) for step in steps]
    passing = [
        place
        for place, recipe in enumerate(recipes)
        if recipe in known and known[recipe].result.passed
    ]
    smallest, stride = max(passing, default=0), 1
    while smallest - stride >= 0:
        place = smallest - stride
        stride *= 2
        if recipes[place] not in known:
            (result,) = saved.results([Candidate(recipes[place], judged=True)])
            error = expected_error(found.sensitivity, steps[place])
            yield Tried(FROM_SEARCH, recipes[place], result, steps[place], error)


def _by_size(
    able: Sequence[Tried], way_back: Iterator[Tried], judged: list[Tried]
) -> Iterator[Tried]:
    """The first, and if that was not enough the others, with those of the way back among them.

    Of the way back none is judged before its turn.
    """
    yield from able[:1]
    rest, back = list(able[1:]), next(way_back, None)
    while rest or back is not None:
        if back is None or (rest and rest[0].result.size_bytes <= back.result.size_bytes):
            yield rest.pop(0)
            continue
        judged.append(back)
        if back.result.passed:
            yield back
        back = next(way_back, None)
