"""How a file's weights were rounded, as its card tells, and which float32 weights they were.

Rounded to the nearest, a weight can be told from another that is 2% off, at four bits too: the
other would leave values more than half a step away. A rounding that moves weights for the sake of
what a layer gives leaves no such trace. So the card of such a file names the float32 constants that
lay before the quantizer, each by a checksum of its values as they lie.
"""

import zlib
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.card import Card
from convert.quantization.recipe import Recipe
from convert.tflite import constants, read_flatbuffer

_NEAREST = "min-max"
_CLIPPING = ("octav", "mse")


@dataclass(frozen=True)
class Rounding:
    """What may have become of a file's weights beside being rounded to the nearest.

    Attributes:
        clips: scales may be too small for the largest values, which are cut there.
        moved: the identities of those that may be further off than that.
        shifts_biases: biases may make up for what rounding does to a layer's mean.
    """

    clips: bool = False
    moved: Collection[str] = frozenset()
    shifts_biases: bool = False

    def may_move(self, values: NDArray[Any]) -> bool:
        """Whether this weight, laid out as in the file, may be off by more than its scale."""
        return bool(self.moved) and identity(values) in self.moved


NEAREST = Rounding()


def rounding_of(card: Card) -> Rounding:
    """What the card of a file says.

    Raises:
        UsageError: its recipe is of a later chunkport.
    """
    if not card.recipe:
        return Rounding()
    recipe = Recipe.from_json(card.recipe, "the recipe in its card")
    clips = any(rule.algorithm in _CLIPPING for rule in recipe.rules)
    return Rounding(clips, frozenset(card.rounded_from), recipe.bias_correction)


def with_origins(card: Card, recipe: Recipe, float_model: Path) -> Card:
    """The card of a file that the recipe made of that float32 file, with what it must tell."""
    known = (_NEAREST, *_CLIPPING)
    moves = any(rule.algorithm not in known for rule in recipe.rules)
    if not moves and not recipe.bias_correction:
        return card
    found = (
        identity(constant.values)
        for constant in constants(read_flatbuffer(float_model))
        if constant.values.dtype == np.float32
    )
    return replace(card, rounded_from=list(dict.fromkeys(found)))


def weight_beside(bias: str) -> str:
    """The name that the weight has of the layer whose bias this is; "" for what is no bias."""
    module, _, leaf = bias.rpartition(".")
    return f"{module}.weight" if leaf == "bias" else ""


def identity(values: NDArray[Any]) -> str:
    """Of float32 values in the order in which they lie: how many there are, and their checksum.

    The order counts: with two of its channels swapped, a weight is another one.
    """
    return f"{values.size}:{zlib.crc32(np.ascontiguousarray(values).reshape(-1).data):08x}"
