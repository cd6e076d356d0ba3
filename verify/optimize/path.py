"""From everything in float32 to everything as small as it goes, the cheapest steps first.

Errors of layers are taken to add up, which real verdicts then put right.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from convert.quantization.recipe import Rule
from verify.optimize.layers import Assignment
from verify.optimize.sensitivity import Option, Sensitivity


def cheapest_steps(sensitivity: Sensitivity) -> list[Assignment]:
    """Assignments, each one step smaller than the one before, by error for each byte saved.

    Of a layer's formats only those count that no mixture of two others would beat: its lower
    convex hull. So the steps of each layer come in their order.
    """
    steps = sorted(
        (
            ((after.error - before.error) / (after.saved_bytes - before.saved_bytes), place, after)
            for place, options in enumerate(sensitivity)
            for before, after in itertools.pairwise(_hull(options))
        ),
        key=lambda step: step[0],
    )
    chosen = [_hull(options)[0].rule for options in sensitivity]
    found: list[Assignment] = [tuple(chosen)]
    for _, place, option in steps:
        chosen[place] = option.rule
        found.append(tuple(chosen))
    return found


def expected_error(sensitivity: Sensitivity, assignment: Assignment) -> float:
    """What the assignment costs where layers do not touch each other."""
    pairs = zip(sensitivity, assignment, strict=True)
    return sum(option_of(options, rule).error for options, rule in pairs)


def smaller_neighbours(
    sensitivity: Sensitivity, assignment: Assignment, least: int
) -> Iterator[Assignment]:
    """Assignments with one or two layers changed that save `least` bytes more, the cheapest first.

    What gains on both sides comes before what trades error for bytes, the most bytes before all.
    """
    now = [option_of(options, rule) for options, rule in zip(sensitivity, assignment, strict=True)]
    changes = [
        _Change(
            *(place, option.rule, option.saved_bytes - now[place].saved_bytes),
            option.error - now[place].error,
        )
        for place, options in enumerate(sensitivity)
        for option in options
        if option != now[place]
    ]
    ranked = sorted(_combined(changes, least), key=lambda move: move[0])
    for _, move in ranked:
        other = list(assignment)
        for change in move:
            other[change.place] = change.rule
        yield tuple(other)


def option_of(options: Sequence[Option], rule: Rule) -> Option:
    """The option with that format."""
    return next(option for option in options if option.rule == rule)


@dataclass(frozen=True)
class _Change:
    """Another format for one layer, and what that does to the bytes saved and to the error."""

    place: int
    rule: Rule
    saved: int
    error: float


def _combined(
    changes: Sequence[_Change], least: int
) -> Iterator[tuple[float, tuple[_Change, ...]]]:
    """Each change that saves enough, and each pair with one that spends some, with its rank."""
    for change in changes:
        if change.saved >= least:
            yield _rank(change.saved, change.error), (change,)
    for one, other in itertools.product(changes, changes):
        saved = one.saved + other.saved
        # Two changes that both save are found one after the other.
        if one.saved > 0 > other.saved and one.place != other.place and saved >= least:
            yield _rank(saved, one.error + other.error), (one, other)


def _rank(saved: int, error: float) -> float:
    return error / saved if error > 0 else -float(saved)


def _hull(options: Sequence[Option]) -> list[Option]:
    """The options on the lower convex hull of error over bytes saved, from the first on."""
    kept: list[Option] = []
    for option in sorted(options, key=lambda one: (one.saved_bytes, one.error)):
        if kept and option.saved_bytes == kept[-1].saved_bytes:
            continue
        while kept and option.error <= kept[-1].error:
            kept.pop()
        while len(kept) > 1 and _slope(kept[-2], kept[-1]) >= _slope(kept[-2], option):
            kept.pop()
        kept.append(option)
    return kept


def _slope(before: Option, after: Option) -> float:
    return (after.error - before.error) / (after.saved_bytes - before.saved_bytes)
