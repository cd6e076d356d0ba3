"""The signs by which one tells whether a GAN's training succeeds or fails, and what to try.

They are read off the history: the discriminator's losses and answers, and what was measured of the
pictures (`train.gan_evaluation.EVALUATION_KEYS`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from train.gan_criteria import KNOWS_BY, WARM_UP
from train.signs import History, Row, Rule, Sign, standing

# Of real fruit all three are 1. Pictures of one class out of five spread 0.21 to 0.25 as far in
# features, of one out of two 0.32 to 0.38, and an early but healthy generator 0.52; one picture
# repeated differs in pixels from others in no more than its small flaws.
_COLLAPSED_SPREAD = 0.4
_COLLAPSED_PIXELS = 0.25
_DIVERSE = 0.7
# Both answers right by 95 % cost 2 x 0.05 nats.
_TOO_SURE = 0.1
# One chance in a thousand that a generated picture is real costs 6.9 nats.
_EXPLODED = -math.log(0.001)
# White noise has 1, an untrained generator 1.1, drawn fruit 0.02 to 0.07.
_ROUGH = 0.5
_ROUGHER = 2  # times as rough as the real pictures, where those are rough themselves
_UNTRAINED_SHARE = 0.5
# A generator of half-shaped blobs has a fifth of what one blank picture has, one of fruit a tenth.
_RESEMBLING_SHARE = 0.1
_EPOCHS_SEEN = 6
# Losses of runs that went well swing by 2 to 8 % of their mean from epoch to epoch.
_WILD = 0.5
_STEADY = 0.15
_LEAST_SIZE = 0.5  # of a loss: the generator's hinge loss goes through 0 where it is well
_NEAR_HALF = 0.15


@dataclass(frozen=True)
class Bars:
    """What a run's figures are held against.

    Attributes:
        epochs: of the whole run.
        real_label: what its discriminator is asked to answer to real pictures.
        roughness: of the real pictures.
        blank_kid: KID of one blank picture, the mean of the real ones, over and over; NaN where
            nothing is compared.
        untrained_kid: KID of what the generator drew before its first step.
    """

    epochs: int
    real_label: float = 1.0
    roughness: float = 0.0
    blank_kid: float = math.nan
    untrained_kid: float = math.nan


COLLAPSE = Sign(
    "mode-collapse",
    good=False,
    sentence="the pictures of different latents look alike, far more than the real ones do",
    remedy="a larger --batch-size, a lower --learning-rate for both networks or another --seed; "
    "it may also pass with more --epochs",
)
TOO_STRONG = Sign(
    "discriminator-too-strong",
    good=False,
    sentence="the discriminator's loss went to 0, and the generator learns little from it",
    remedy="a lower --discriminator-rate, or --real-label 0.9",
)
EXPLODED = Sign(
    "generator-loss-explodes",
    good=False,
    sentence="the discriminator takes next to no generated picture for real",
    remedy="a lower --discriminator-rate, or a lower --learning-rate for both networks",
)
NOISE = Sign(
    "only-noise",
    good=False,
    sentence="the pictures are as grainy as noise, or as far from real ones as untrained",
    remedy="more --epochs, a higher --learning-rate if the losses hardly move, or a lower one if "
    "they jump",
)
OSCILLATING = Sign(
    "losses-oscillate",
    good=False,
    sentence="the losses go up and down by half of their size from epoch to epoch",
    remedy="a lower --learning-rate, a larger --batch-size, or a slower --average-decay such as "
    "0.999",
)
STABLE = Sign("losses-stable", good=True, sentence="the losses hardly change from epoch to epoch")
NEAR_HALF = Sign(
    "d-fake-near-half", good=True, sentence="D(fake) is near 0.5: the discriminator is often fooled"
)
RESEMBLING = Sign(
    "like-the-real-ones",
    good=True,
    sentence="the pictures as a whole resemble the real ones (KID)",
)
DIVERSE = Sign("diverse", good=True, sentence="the pictures differ as much as real ones do")


def _collapsed(rows: Sequence[Row]) -> bool:
    last = rows[-1]
    alike = min(last["diversity"], last["distinctness"]) < _COLLAPSED_PIXELS
    return alike or last["variety"] < _COLLAPSED_SPREAD


def _diverse(bars: Bars, rows: Sequence[Row]) -> bool:
    last = rows[-1]
    varied = min(last["diversity"], last["variety"], last["distinctness"]) >= _DIVERSE
    return varied and not _noisy(bars, rows)  # noise is diverse too


def _too_strong(bars: Bars, rows: Sequence[Row]) -> bool:
    label = bars.real_label
    # A perfect discriminator's loss where it is asked for less than 1.
    least = 0.0 if label == 1 else -label * math.log(label) - (1 - label) * math.log(1 - label)
    return rows[-1]["D_loss"] - least < _TOO_SURE


def _exploded(rows: Sequence[Row]) -> bool:
    return rows[-1]["G_loss"] > _EXPLODED


def _noisy(bars: Bars, rows: Sequence[Row]) -> bool:
    last = rows[-1]
    grainy = last["roughness"] > max(_ROUGH, _ROUGHER * bars.roughness)
    return grainy or last["kid"] >= _UNTRAINED_SHARE * bars.untrained_kid


def _swings(rows: Sequence[Row], key: str) -> tuple[float, float]:
    """Of the last epochs: how far an average one goes back on the others, and away, by the mean."""
    values = [row[key] for row in rows[-_EPOCHS_SEEN:]]
    size = max(sum(map(abs, values)) / len(values), _LEAST_SIZE)
    steps = [after - before for before, after in pairwise(values)]
    path, way = sum(map(abs, steps)), abs(sum(steps))
    return (path - way) / len(steps) / size, path / len(steps) / size


def _oscillating(rows: Sequence[Row]) -> bool:
    if len(rows) < _EPOCHS_SEEN:
        return False
    return max(_swings(rows, key)[0] for key in ("D_loss", "G_loss")) > _WILD


def _stable(bars: Bars, rows: Sequence[Row]) -> bool:
    if len(rows) < _EPOCHS_SEEN or _too_strong(bars, rows) or _exploded(rows):
        return False
    return max(_swings(rows, key)[1] for key in ("D_loss", "G_loss")) < _STEADY


def _near_half(rows: Sequence[Row]) -> bool:
    last = rows[-1]
    knows = last["D_real"] - last["D_fake"] >= KNOWS_BY
    return knows and abs(last["D_fake"] - 0.5) <= _NEAR_HALF


def _resembling(bars: Bars, rows: Sequence[Row]) -> bool:
    return rows[-1]["kid"] <= _RESEMBLING_SHARE * bars.blank_kid


def gan_signs(bars: Bars, history: History) -> tuple[Sign, ...]:
    """The signs that stand after the last epoch, those of failure first.

    As with `d-fake`, none is told from the first tenth of the epochs.
    """
    pictures = ("kid", "diversity", "variety", "distinctness", "roughness")
    losses = ("D_loss", "G_loss")
    rules = (
        Rule(COLLAPSE, pictures, _collapsed),
        Rule(TOO_STRONG, losses, partial(_too_strong, bars)),
        Rule(EXPLODED, losses, _exploded),
        Rule(NOISE, pictures, partial(_noisy, bars)),
        Rule(OSCILLATING, losses, _oscillating),
        Rule(STABLE, losses, partial(_stable, bars)),
        Rule(NEAR_HALF, ("D_real", "D_fake"), _near_half),
        Rule(RESEMBLING, pictures, partial(_resembling, bars)),
        Rule(DIVERSE, pictures, partial(_diverse, bars)),
    )
    return standing(rules, history, WARM_UP * bars.epochs)
