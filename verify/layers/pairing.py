"""Which op of a .tflite is which operation of the wrapper.

Both run in the same order, and an op keeps the shape of its weights, right or wrong. So the two
sequences of weights are aligned as wholes: each pair counts by its shapes, and more the nearer its
values are, and the pairs that count most together are taken. Weights that are right hold those
that are wrong in their places.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verify.layers.file_ops import FileOp, StoredWeight
from verify.layers.wrapper_run import CallWeight, WeightedCall

Order = tuple[int, ...]
# The layouts in which the converter stores a weight, most likely first; then all others.
_USUAL_ORDERS: tuple[Order, ...] = ((0, 2, 3, 1), (1, 2, 3, 0), (1, 0))
_SAMPLED = 2048  # values that a likeness is taken from
_ALIKE = 0.3  # relative distance at which two weights are no longer alike
_OF_SHAPE, _OF_VALUES = 1.0, 4.0  # what a pair counts for


@dataclass(frozen=True, eq=False)
class WeightPair:
    """A weight of the wrapper, the constant in its place, and the axes' order that leads there."""

    wanted: CallWeight
    stored: StoredWeight
    order: Order


@dataclass(frozen=True, eq=False)
class Point:
    """A place where the wrapper and the file can be compared.

    Attributes:
        call: the wrapper's operation; the last one, where an op does what several do.
        op: the file's op that gives the same; None where none takes the operation's weights,
            because the converter joined them with others.
        weights: those of all operations up to here that the op does.
    """

    call: WeightedCall
    op: FileOp | None
    weights: tuple[WeightPair, ...]


def pair(calls: Sequence[WeightedCall], ops: Iterable[FileOp]) -> list[Point]:
    """The points in the order of the wrapper's operations."""
    wanted = [(call, weight) for call in calls for weight in call.weights]
    stored = [(op, weight) for op in ops for weight in op.weights]
    owners: dict[int, tuple[FileOp, int]] = {}  # op to its last call
    of_op: defaultdict[int, list[WeightPair]] = defaultdict(list)
    for left, right in _aligned([item[1] for item in wanted], [item[1] for item in stored]):
        (call, one), (op, other) = wanted[left], stored[right]
        order = _best_order(one, other)[0]
        of_op[op.index].append(WeightPair(one, other, order))
        last = owners.get(op.index, (op, call.index))[1]
        owners[op.index] = (op, max(last, call.index))
    of_call: defaultdict[int, list[FileOp]] = defaultdict(list)
    for op, last in owners.values():
        of_call[last].append(op)
    done = {weight.wanted.name for pairs in of_op.values() for weight in pairs}
    points = []
    for call in calls:
        if found := of_call.get(call.index):
            last_op = max(found, key=lambda op: op.index)
            pairs = tuple(item for op in found for item in of_op[op.index])
            same_size = np.prod(last_op.shape) == np.prod(call.shape)
            points.append(Point(call, last_op if same_size else None, pairs))
        elif not all(weight.name in done for weight in call.weights):
            points.append(Point(call, None, ()))
    return points


def in_order(values: NDArray[Any], order: Order, shape: tuple[int, ...]) -> NDArray[Any]:
    """The wrapper's values laid out as the file's."""
    return values.transpose(order).reshape(shape)


def _aligned(wanted: Sequence[CallWeight], stored: Sequence[StoredWeight]) -> list[tuple[int, int]]:
    """The pairs of places, growing on both sides, that count most together."""
    scores = np.zeros((len(wanted), len(stored)))
    for (i, one), (j, other) in itertools.product(enumerate(wanted), enumerate(stored)):
        scores[i, j] = _best_order(one, other)[1]
    best = np.zeros((len(wanted) + 1, len(stored) + 1))
    for i, j in itertools.product(range(len(wanted)), range(len(stored))):
        taken = best[i, j] + scores[i, j] if scores[i, j] else 0.0
        best[i + 1, j + 1] = max(best[i, j + 1], best[i + 1, j], taken)
    pairs, i, j = [], len(wanted), len(stored)
    while i and j:
        if best[i, j] == best[i - 1, j]:
            i -= 1
        elif best[i, j] == best[i, j - 1]:
            j -= 1
        else:
            i, j = i - 1, j - 1
            pairs.append((i, j))
    return pairs[::-1]


def _best_order(wanted: CallWeight, stored: StoredWeight) -> tuple[Order, float]:
    """The order of axes in which the two are nearest, and what the pair counts for, 0 for none."""
    shape = tuple(wanted.values.shape)
    if stored.constant.size != wanted.values.numel() or stored.constant.size == 0:
        return (), 0.0
    plain = tuple(size for size in stored.shape if size != 1)
    found: tuple[Order, float] = ((), 0.0)
    for order in _orders(len(shape)):
        if tuple(shape[axis] for axis in order if shape[axis] != 1) != plain:
            continue
        distance = _distance(wanted.values.detach().numpy().transpose(order), stored)
        score = _OF_SHAPE + _OF_VALUES * max(0.0, 1 - distance / _ALIKE)
        if score > found[1]:
            found = order, score
    return found


def _distance(values: NDArray[Any], stored: StoredWeight) -> float:
    """Of some values, relative to theirs."""
    constant = stored.constant
    places = np.arange(0, constant.size, max(1, constant.size // _SAMPLED))
    there = constant.at(places)
    here = values[np.unravel_index(places, values.shape)].astype(np.float64)
    norm = float(np.linalg.norm(here))
    away = float(np.linalg.norm(there - here))
    return away / norm if norm else away


def _orders(rank: int) -> list[Order]:
    usual = [order for order in _USUAL_ORDERS if len(order) == rank]
    return list(dict.fromkeys([*usual, *itertools.permutations(range(rank))]))
