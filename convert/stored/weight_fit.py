"""Whether integers still stand for a weight where half a step of their scale does not tell.

A step can be so long that zeros are within half of one, and a scale so small that all is cut off.
And GPTQ moves weights against each other, so that what the layer gives changes least. What stays is
that each group of values with a scale of its own is about the weight: neither larger nor smaller,
and not too much further from it than the nearest integers.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.stored.constants import StoredConstant

_BLOCK = 1 << 18  # integers looked at at once
# Times the distance of the nearest integers, of a whole weight and of each group. GPTQ at four bits
# goes to 2.0 and 5.6 on a trained detector whose layers see inputs that are much alike.
_FURTHEST, _FURTHEST_OF_GROUP = 3.0, 8.0
# Or of the length of the weight, and of each group: 8 bits are so fine that what makes up for the
# losses of earlier layers is many steps; up to 0.035 on a trained generator.
_ANYWAY, _ANYWAY_OF_GROUP = 0.1, 0.2
# By how much a group may be larger or smaller than its weights rounded to the nearest; there 0.18.
_GAIN = 0.25
# Of a layer's weight, by Euclidean norm: how far its bias may be shifted. On trained networks in
# int4 it is 0.01 at most, and another layer's bias is 0.034 away at least.
_SHIFT = 0.02
# Of the squares of a group's values, what cutting the largest may lose, which is done to lose less.
_CUT = 0.5
# A scale is as large as the group's largest value asks for. Groups of zeros have a least one.
_LEAST_USED, _LEAST_SCALE = 0.5, 1e-6
_BITS_OF_BIASES = 32  # and more; these have the scale of the products that they are added to
_ALIKE = 0.3  # the cosine of the angle between many values and what they became is far above


def points_alike(values: NDArray[Any], stored: StoredConstant) -> bool:
    """Whether the first stored values point where these do: a glance, to tell other weights by."""
    if stored.scales is None:
        return False
    flat = np.ascontiguousarray(values).reshape(-1).astype(np.float64)
    there = stored.at(np.arange(values.size))
    lengths = float(np.linalg.norm(there) * np.linalg.norm(flat))
    return float(there @ flat) >= _ALIKE * lengths


def is_too_coarse(stored: StoredConstant) -> bool:
    """Whether a channel or block leaves most of its integers unused, so that nothing much is kept.

    A tensor with one scale is not held to this: it may share that of what it is joined with.
    """
    scales = stored.scales
    if scales is None or len(scales.scale) == 1 or stored.bits >= _BITS_OF_BIASES:
        return False
    used = np.zeros(len(scales.scale))
    for first in range(0, stored.size, _BLOCK):
        numbers = stored.numbers(first, min(_BLOCK, stored.size - first))
        group = scales.groups(np.arange(first, first + numbers.size))
        np.maximum.at(used, group, np.abs(numbers - scales.zero_point[group]))
    unused = used < _LEAST_USED * stored.ends[1]
    return bool((unused & (np.abs(scales.scale) > _LEAST_SCALE)).any())


def cuts_little(blocks: Iterable[NDArray[Any]], stored: StoredConstant) -> bool:
    """Whether most is left of each group of these values, given in the order of the file."""
    if stored.scales is None:
        return True
    groups = len(stored.scales.scale)
    lost, energy = np.zeros((2, groups))
    position = 0
    for block in blocks:
        flat = np.ascontiguousarray(block).reshape(-1).astype(np.float64)
        places = np.arange(position, position + flat.size)
        group = stored.scales.groups(places)
        lost += np.bincount(group, np.square(stored.at(places) - flat), groups)
        energy += np.bincount(group, np.square(flat), groups)
        position += flat.size
    return bool((lost <= _CUT * energy).all())


def is_shifted(bias: NDArray[Any], weight: NDArray[Any], stored: StoredConstant) -> bool:
    """Whether what is stored is this bias, made up for what rounding its weight does to a mean."""
    away = stored.at(np.arange(bias.size)) - bias.reshape(-1)
    return float(np.linalg.norm(away)) <= _SHIFT * float(np.linalg.norm(weight.reshape(-1)))


def fits(blocks: Iterable[NDArray[Any]], stored: StoredConstant) -> bool:
    """Whether the stored integers are about these values, in each group of them.

    Args:
        blocks: the values in the order in which they should lie, in parts.
        stored: what lies there; fractions, which nobody moves, never fit.
    """
    if stored.scales is None:
        return False
    groups = len(stored.scales.scale)
    sums = np.zeros((6, groups))
    lowest, highest = stored.ends
    position = 0
    for block in blocks:
        flat = np.ascontiguousarray(block).reshape(-1).astype(np.float64)
        places = np.arange(position, position + flat.size)
        group = stored.scales.groups(places)
        scale, zero = stored.scales.scale[group], stored.scales.zero_point[group]
        there = stored.at(places)
        with np.errstate(divide="ignore", invalid="ignore"):
            steps = np.rint(flat / scale) + zero
        nearest = (np.clip(steps, lowest, highest) - zero) * scale
        terms = (
            *(np.square(there - flat), np.square(nearest - flat)),
            *(there * flat, nearest * flat, np.square(flat), np.ones_like(flat)),
        )
        sums += [np.bincount(group, term, groups) for term in terms]
        position += flat.size
    away, nearest_away, product, nearest_product, energy, counts = sums
    # A scale's own rounding error on average, where the weights happen to lie on its steps.
    nearest_away += counts * np.square(stored.scales.scale.astype(np.float64)) / 12
    room = np.maximum(_FURTHEST_OF_GROUP**2 * nearest_away, _ANYWAY_OF_GROUP**2 * energy)
    near = away.sum() <= max(_FURTHEST**2 * nearest_away.sum(), _ANYWAY**2 * energy.sum())
    each_near = away <= room
    as_large = np.abs(product - nearest_product) <= _GAIN * energy
    kept = product >= (1 - _CUT) * energy
    return bool(near and (each_near & as_large & kept).all())
