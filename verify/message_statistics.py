"""What can be said of a watermark from finitely many pictures, and what chance alone would do."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from chunkport.errors import UsageError

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """Where a share of all such pictures or bits lies, at `CONFIDENCE`."""

    low: float
    high: float


@dataclass(frozen=True)
class Threshold:
    """How many bits must agree with a message for it to count as found.

    Attributes:
        nbits: of the message.
        matches: the least number that counts.
        false_positive_rate: the exact chance of so many or more with a message drawn at random.
    """

    nbits: int
    matches: int
    false_positive_rate: float

    def to_json(self) -> dict[str, Any]:
        """The threshold as plain JSON values."""
        return asdict(self)


def chance_of_matches(nbits: int, matches: int) -> Fraction:
    """The exact chance that `matches` or more of `nbits` fair coins agree with a message."""
    ways = sum(math.comb(nbits, count) for count in range(matches, nbits + 1))
    return Fraction(ways, 2**nbits)


def matches_needed(nbits: int, false_positive_rate: float) -> Threshold:
    """The least number of matching bits that chance reaches no more often than the rate.

    Raises:
        UsageError: the message is so short that even all its bits match more often.
    """
    most, ways, matches = Fraction(false_positive_rate) * 2**nbits, 0, nbits + 1
    while matches > 0 and ways + math.comb(nbits, matches - 1) <= most:
        matches -= 1
        ways += math.comb(nbits, matches)
    if matches > nbits:
        raise UsageError(
            f"a message of {nbits} bits cannot be told from chance at a false-positive rate of "
            f"{false_positive_rate:g}: all its bits match by chance at a rate of "
            f"{2.0**-nbits:.3g}; ask for that or more"
        )
    return Threshold(nbits, matches, float(Fraction(ways, 2**nbits)))


def share_interval(successes: float, trials: float, confidence: float = CONFIDENCE) -> Interval:
    """Clopper and Pearson's interval of a binomial share; the counts may be effective ones.

    It covers the true share at least as often as `confidence` says (Biometrika 26, 1934).
    """
    from scipy.special import betaincinv  # scipy.stats has it too, and is slow to load

    tail = (1 - confidence) / 2
    failures = trials - successes
    low = 0.0 if successes <= 0 else float(betaincinv(successes, failures + 1, tail))
    high = 1.0 if failures <= 0 else float(betaincinv(successes + 1, failures, 1 - tail))
    return Interval(low, high)


def bit_interval(
    pictures: int,
    nbits: int,
    matches: int,
    squares: int,
    recovered: int,
    *,
    confidence: float = CONFIDENCE,
) -> Interval:
    """The interval of the bit accuracy, with pictures as the independent units, never bits.

    Args:
        pictures: how many were read.
        nbits: of each message.
        matches: bits read right in all of them.
        squares: the sum over pictures of the square of the bits read right.
        recovered: pictures of which all bits were read right.
        confidence: how often such intervals cover the true accuracy.

    Bits of one picture fail together, so that their number overstates what is known. Korn and
    Graubard's interval (Survey Methodology 24, 1998) is Clopper and Pearson's with the number of
    bits divided by the design effect, which the variance between pictures gives, and by the square
    of Student's t over the normal quantile, for that variance is itself an estimate. Only pictures
    with an error tell of it, so that theirs are the degrees of freedom; but a picture is always
    worth one trial. A watermark's accuracy lies near 1, where a normal interval leaves [0, 1], and
    a bootstrap over pictures that were all read right has no width at all.
    """
    from scipy.special import ndtri, stdtrit  # the quantiles of the normal and of Student's t

    bits = pictures * nbits
    accuracy = matches / bits
    spread = pictures * squares - matches**2  # in integers, so that 0 is 0
    effective = float(pictures)
    if 0 < matches < bits and pictures > 1:
        variance = spread / (pictures**2 * (pictures - 1) * nbits**2)  # of the mean accuracy
        known = min(bits, accuracy * (1 - accuracy) / variance) if variance else bits
        effective = min(effective, known)
        freedom = pictures - recovered - 1
        if freedom:
            tail = (1 - confidence) / 2
            trusted = known * float((ndtri(tail) / stdtrit(freedom, tail)) ** 2)
            effective = max(effective, trusted)
    return share_interval(accuracy * effective, effective, confidence)


def mean_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval | None:
    """Student's interval of a mean, each value of a picture of its own; None for a single one."""
    from scipy.special import stdtrit

    count = len(values)
    if count < 2:  # noqa: PLR2004 - one value has no spread
        return None
    mean = math.fsum(values) / count
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1))
    reach = float(stdtrit(count - 1, (1 + confidence) / 2)) * spread / math.sqrt(count)
    return Interval(mean - reach, mean + reach)


def most_by_chance(trials: int, rate: float, confidence: float) -> int:
    """The most successes that chance at `rate` stays within, as often as `confidence` says."""
    import numpy as np
    from scipy.special import bdtr

    within = bdtr(np.arange(trials + 1), trials, rate)  # of each number, that it or fewer succeed
    return int(np.searchsorted(within, confidence))
