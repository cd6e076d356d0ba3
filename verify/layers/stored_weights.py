"""Whether a constant of a .tflite is the weight that it should be, as far as its type can hold it.

Where it is not, how it differs often says what went wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from convert.stored.weight_fit import cuts_little, fits, is_shifted, is_too_coarse
from convert.stored.weight_origins import NEAREST, Rounding, weight_beside
from verify.layers.file_ops import Values
from verify.layers.pairing import WeightPair, in_order
from verify.layers.percentages import percent

_FEW = 0.05  # of all values
_FIT = 0.02  # relative distance at which a factor explains a difference: integers are a little off


@dataclass(frozen=True)
class WeightFinding:
    """One weight of the wrapper beside the constant in its place.

    Attributes:
        name: the wrapper's.
        tensor: the file's.
        values: how many there are.
        wrong: how many are further off than rounding to their type explains.
        distance: Euclidean, relative to the right values.
        explanation: how they differ, as the rest of a sentence; empty where none is wrong.
    """

    name: str
    tensor: str
    values: int
    wrong: int
    distance: float
    explanation: str

    @property
    def scattered(self) -> bool:
        """Only single values are wrong, which no combination of layers explains."""
        return 0 < self.wrong <= _FEW * self.values


@dataclass(frozen=True, eq=False)
class _Case:
    """A weight that is wrong, to be explained."""

    pair: WeightPair
    actual: Values
    wanted: Values
    wrong: int
    others: Sequence[WeightPair]


def examine(
    pair: WeightPair, others: Sequence[WeightPair], rounding: Rounding = NEAREST
) -> WeightFinding:
    """Compare one constant with the weight, and where it is wrong, with the other weights."""
    actual, wanted = pair.stored.values, _wanted(pair)
    wrong = _wrong(pair, wanted, others, rounding)
    case = _Case(pair, actual, wanted, wrong, others)
    return WeightFinding(
        pair.wanted.name,
        pair.stored.name,
        wanted.size,
        wrong,
        _distance(actual, wanted),
        _explanation(case) if wrong else "",
    )


def _wanted(pair: WeightPair) -> Values:
    return in_order(pair.wanted.values.detach().numpy(), pair.order, pair.stored.shape)


def _wrong(
    pair: WeightPair, wanted: Values, others: Sequence[WeightPair], rounding: Rounding
) -> int:
    """How many values are further off than the rounding of this file explains."""
    stored = pair.stored.constant
    if is_too_coarse(stored):
        return int(np.count_nonzero(wanted))
    wrong = int(np.count_nonzero(stored.differing(wanted)))
    if wrong and rounding.clips and cuts_little([wanted], stored):
        wrong = int(np.count_nonzero(stored.differing(wanted, clipped=True)))
    if not wrong or not rounding.may_move(wanted):
        return wrong
    beside = weight_beside(pair.wanted.name) if rounding.shifts_biases else ""
    weights = [other.wanted.values for other in others if other.wanted.name == beside]
    moved = fits([wanted], stored) or any(
        is_shifted(wanted, weight.detach().numpy(), stored) for weight in weights
    )
    return 0 if moved else wrong


def _explanation(case: _Case) -> str:
    """The first of the known ways of being wrong that fits."""
    for explain in (_not_finite, _in_few_places, _scaled, _of_another, _reordered, _by_channels):
        if found := explain(case):
            return found
    return f"are {percent(_distance(case.actual, case.wanted))} away from the right ones"


def _not_finite(case: _Case) -> str | None:
    bad = int(np.count_nonzero(~np.isfinite(case.actual)))
    return f"are NaN or infinite in {bad} of {case.wanted.size} places" if bad else None


def _in_few_places(case: _Case) -> str | None:
    if case.wrong > _FEW * case.wanted.size:
        return None
    return f"differ in {case.wrong} of {case.wanted.size} places"


def _scaled(case: _Case) -> str | None:
    if not case.actual.any():
        return "are all zeros"
    energy = float(np.square(case.wanted, dtype=np.float64).sum())
    factor = float((case.actual.astype(np.float64) * case.wanted).sum()) / energy if energy else 0
    if not factor or _distance(case.actual, factor * case.wanted) >= _FIT * abs(factor):
        return None
    return f"are {factor:.3g} times the right ones"


def _of_another(case: _Case) -> str | None:
    for other in case.others:
        same_size = other.wanted.values.numel() == case.wanted.size
        if other.wanted.name != case.pair.wanted.name and same_size and _holds(case, other):
            return f"are those of {other.wanted.name}"
    return None


def _holds(case: _Case, other: WeightPair) -> bool:
    """Whether the constant holds another weight's values in its own layout."""
    theirs = other.wanted.values.detach().numpy()
    if theirs.ndim != len(case.pair.order):
        return False
    turned = in_order(theirs, case.pair.order, case.actual.shape)
    return _distance(case.actual, turned) < _FIT


def _reordered(case: _Case) -> str | None:
    ordered = np.sort(case.actual, axis=None), np.sort(case.wanted, axis=None)
    return "are the right ones in another order" if _distance(*ordered) < _FIT else None


def _by_channels(case: _Case) -> str | None:
    """A factor for each channel of the first axis, or of the last, where these are the outputs."""
    actual, wanted = case.actual, case.wanted
    if wanted.ndim <= 1:
        return None
    for axes in (tuple(range(1, wanted.ndim)), tuple(range(wanted.ndim - 1))):
        energy = np.square(wanted).sum(axis=axes, keepdims=True)
        product = (actual * wanted).sum(axis=axes, keepdims=True)
        factors = np.divide(product, energy, out=np.zeros_like(product), where=energy > 0)
        if factors.size < wanted.size and _distance(actual, factors * wanted) < _FIT:
            return (
                "are the right ones times a factor for each output channel, "
                f"{factors.min():.3g} to {factors.max():.3g}, as where a norm is left out or is "
                "another one"
            )
    return None


def _distance(actual: Values, wanted: Values) -> float:
    norm = float(np.linalg.norm(wanted.reshape(-1).astype(np.float64)))
    with np.errstate(invalid="ignore"):
        away = float(np.linalg.norm((actual - wanted).reshape(-1).astype(np.float64)))
    return away / norm if norm else away
