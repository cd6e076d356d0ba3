"""The limits of a watermark, under attack and in clean pictures, as rows of a verdict."""

from collections.abc import Callable, Mapping, Sequence

from verify.attack_survival import Survival
from verify.false_positives import FalsePositives
from verify.verdict import Check, against_limit
from wrappers.spec import Limit, at_least, at_most

MEANINGS = {
    "bit_accuracy": "share of the bits that are read right after the attack",
    "accuracy_loss": "bit accuracy less than PyTorch's, in the attack where it is most",
    "false_positives": "messages found in clean pictures; the limit is what chance keeps to",
}


def survival_checks(
    survivals: Sequence[Survival], least: Mapping[str, float], most_loss: float | None
) -> list[Check]:
    """The limits that were given, each on every reader that it concerns.

    Args:
        survivals: as measured, the reference's row before the others' of each attack.
        least: by attack's name, the least bit accuracy.
        most_loss: of bit accuracy against the reference's, in any attack.
    """
    checks = [
        _held(
            f"bit_accuracy {row.attack} {row.reader}",
            row.bit_accuracy,
            at_least,
            least[row.attack],
        )
        for row in survivals
        if row.attack in least
    ]
    if most_loss is None:
        return checks
    reference = survivals[0].reader
    exact = {row.attack: row.bit_accuracy for row in survivals if row.reader == reference}
    losses: dict[str, list[float]] = {}
    for row in survivals:
        if row.reader != reference:
            losses.setdefault(row.reader, []).append(exact[row.attack] - row.bit_accuracy)
    return checks + [
        _held(f"accuracy_loss {reader}", max(found), at_most, most_loss)
        for reader, found in losses.items()
    ]


def false_positive_checks(rows: Sequence[FalsePositives]) -> list[Check]:
    """Whether messages are found in clean pictures no more often than chance finds them."""
    return [
        _held(f"false_positives {row.reader}", row.false_positives, at_most, row.most_by_chance)
        for row in rows
    ]


def _held(name: str, value: float, sense: Callable[[str, float], Limit], bound: float) -> Check:
    kind = name.partition(" ")[0]
    return against_limit(name, MEANINGS[kind], value, sense(kind, bound))
