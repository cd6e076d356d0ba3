"""A card tells which weights integers were made from, where these may have moved."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.card import Card
from convert.quantization.recipe import Recipe, Rule
from convert.stored.weight_origins import NEAREST, identity, rounding_of, with_origins

WriteTflite = Callable[[Path, Mapping[str, NDArray[Any]]], Path]
CARD = Card("m", "mixed", "rewritten", {}, {"sha256": "0"}, {})
WEIGHT = np.random.default_rng(0).standard_normal((3, 4, 5)).astype(np.float32)


def test_an_identity_is_of_the_values_in_their_order() -> None:
    assert identity(WEIGHT) == identity(WEIGHT.reshape(4, 15))
    assert identity(WEIGHT) != identity(WEIGHT[[1, 0, 2]])
    changed = WEIGHT.copy()
    changed.view(np.uint32)[1, 2, 3] ^= 1
    assert identity(changed) != identity(WEIGHT)
    assert identity(WEIGHT) != identity(WEIGHT[:, :, :4])


def rules(algorithm: str) -> Recipe:
    return Recipe((Rule("int8"), Rule("int4", algorithm=algorithm)))


def told(recipe: Recipe, path: Path) -> Card:
    card = Card(**{**vars(CARD), "recipe": recipe.to_json()})
    return with_origins(card, recipe, path)


def test_only_weights_that_may_move_are_named_and_only_those_of_the_file(
    tmp_path: Path, write_tflite: WriteTflite
) -> None:
    path = write_tflite(tmp_path / "a.tflite", {"a": WEIGHT, "b": WEIGHT[0]})
    nearest, clipped, moved = (
        rounding_of(told(rules(name), path)) for name in ("min-max", "octav", "gptq")
    )
    assert nearest == NEAREST == rounding_of(CARD)
    assert (clipped.clips, clipped.may_move(WEIGHT)) == (True, False)
    assert moved.may_move(WEIGHT)
    assert not moved.may_move(WEIGHT[:, [1, 0, 2, 3]])
    assert moved.may_move(WEIGHT[0])
    assert not moved.may_move(WEIGHT + 1)
