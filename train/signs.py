"""Signs that a run goes well or badly: read off its history, and said in words as they change."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

History = Mapping[str, Sequence[float]]
Row = Mapping[str, float]
_IN_A_ROW = 2


@dataclass(frozen=True)
class Sign:
    """Something that can be seen of a run.

    Attributes:
        name: of it, such as `mode-collapse`.
        good: whether it is one of success, and not of failure.
        sentence: what it means.
        remedy: what to try, where it is one of failure.
    """

    name: str
    good: bool
    sentence: str
    remedy: str = ""


@dataclass(frozen=True)
class Rule:
    """When a sign stands.

    Attributes:
        sign: the one.
        keys: of the history, whose entries it is told by.
        shows: whether it shows after the last of these epochs, each with all `keys`.
    """

    sign: Sign
    keys: tuple[str, ...]
    shows: Callable[[Sequence[Row]], bool]


def standing(rules: Sequence[Rule], history: History, warm_up: float) -> tuple[Sign, ...]:
    """The signs that show after each of the last two epochs, so that one bad epoch makes none.

    Epochs up to `warm_up` do not count, nor those in which one of a rule's keys was not measured.
    """
    found = []
    for rule in rules:
        rows = _measured(history, rule.keys, warm_up)
        ends = range(len(rows) - _IN_A_ROW + 1, len(rows) + 1)
        if len(rows) >= _IN_A_ROW and all(rule.shows(rows[:end]) for end in ends):
            found.append(rule.sign)
    return tuple(found)


def _measured(history: History, keys: Sequence[str], warm_up: float) -> list[Row]:
    columns = zip(*(history[key] for key in keys), strict=True)
    return [
        dict(zip(keys, row, strict=True))
        for epoch, row in enumerate(columns, 1)
        if epoch > warm_up and all(map(math.isfinite, row))
    ]


def changes(before: Sequence[Sign], now: Sequence[Sign], epoch: int) -> list[str]:
    """A sentence for each sign that appeared or went with this epoch."""
    came = [sign for sign in now if sign not in before]
    went = [sign for sign in before if sign not in now]
    return [*(_appeared(sign, epoch) for sign in came), *(_gone(sign, epoch) for sign in went)]


def _appeared(sign: Sign, epoch: int) -> str:
    if sign.good:
        return f"Epoch {epoch}: a sign of success, {sign.name}: {sign.sentence}."
    return (
        f"Warning: epoch {epoch}: a sign of failure, {sign.name}: {sign.sentence}. "
        f"Try {sign.remedy}."
    )


def _gone(sign: Sign, epoch: int) -> str:
    kind = "success" if sign.good else "failure"
    return f"Epoch {epoch}: {sign.name} is gone, which was a sign of {kind}."


def summary(signs: Sequence[Sign]) -> str:
    """All that stand, in one line."""
    good = ", ".join(sign.name for sign in signs if sign.good)
    bad = ", ".join(sign.name for sign in signs if not sign.good)
    return f"Signs of success: {good or 'none'}. Signs of failure: {bad or 'none'}."
