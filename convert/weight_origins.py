"""Which float32 weights a file's integers were made from, where the integers alone cannot tell.

Rounded to the nearest, a weight can be told from another that is 2% off, at four bits too: the
other would leave values more than half a step away. A rounding that moves weights for the sake of
what a layer gives leaves no such trace. So the card of such a file names the float32 constants that
lay before the quantizer, each by a number that does not depend on the order of its axes.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.card import Card
from convert.recipe import Recipe
from convert.tflite import constants, read_flatbuffer


def moves_weights(recipe: Recipe) -> bool:
    """Whether the recipe makes of some weights other integers than the nearest."""
    return any(rule.algorithm != "min-max" for rule in recipe.rules) or corrects_biases(recipe)


def corrects_biases(recipe: Recipe) -> bool:
    """Whether the recipe shifts biases by what rounding the weights does to a layer's mean."""
    return bool(getattr(recipe, "bias_correction", False))


def with_origins(card: Card, recipe: Recipe, float_model: Path) -> Card:
    """The card of a file that the recipe made of that float32 file, with what it must tell."""
    return replace(card, rounded_from=_identities(float_model)) if moves_weights(recipe) else card


def _identities(float_model: Path) -> list[str]:
    """The identities of a float32 file's constants, once each."""
    found = (
        identity(constant.values)
        for constant in constants(read_flatbuffer(float_model))
        if constant.values.dtype == np.float32
    )
    return list(dict.fromkeys(found))


def identity(values: NDArray[Any]) -> str:
    """Of float32 values in any order of their axes: how many there are, and the sum of their bits.

    A value that is off by one bit changes it; values that have changed places do not.
    """
    total = np.ascontiguousarray(values).view(np.uint32).sum(dtype=np.uint64)
    return f"{values.size}:{int(total):x}"
