"""The models that the precision matrix measures, each with weights to measure it with.

At full size: trained weights where there are any, made ones of the published shapes elsewhere. At
test size: every model of the registry small enough to be converted in seconds.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from benchmarks.honest_conversions import honest_networks, save_network
from benchmarks.made_weights import save_made
from convert.quantization.recipe import Recipe
from networks.cards import built_in_cards
from wrappers.spec import BuildOptions

Weights = Literal["trained", "made"]
_BESIDE = Path(__file__).parent
_RECIPES = _BESIDE / "recipes"
_TRAINED = {"tinyseal": _BESIDE.parent / "samples" / "tinyseal" / "full_model.pth"}


@dataclass(frozen=True)
class MatrixModel:
    """One column of the matrix.

    Attributes:
        model: as the registry names it.
        checkpoint: what it is converted from.
        weights: whether they were trained, or made for the shapes alone.
        options: how it is built.
        recipe: of its mixed file; None where there is none.
    """

    model: str
    checkpoint: Path
    weights: Weights
    options: BuildOptions = field(default_factory=BuildOptions)
    recipe: Recipe | None = None


def small_models(names: Sequence[str], folder: Path) -> list[MatrixModel]:
    """Those models at test size, their checkpoints made in the folder."""
    small = {one.model: one for one in honest_networks(1)}
    return [
        MatrixModel(
            *(name, save_network(small[name], folder), "made", small[name].options),
            recipe=_recipe(_RECIPES / f"{name}.json"),
        )
        for name in names
    ]


def full_models(
    names: Sequence[str],
    folder: Path,
    given: Mapping[str, Path],
    recipes: Mapping[str, Path],
    announce: Callable[[str], None],
) -> list[MatrixModel]:
    """Those models at their published size.

    Args:
        names: as the registry has them.
        folder: where checkpoints are made that are not at hand.
        given: trained checkpoints by model.
        recipes: of mixed files, by model; in place of those in benchmarks/recipes.
        announce: told of what is made.

    Raises:
        UsageError, BadInputError: a recipe is none.
    """
    trained = {**_TRAINED, **given}
    found = []
    for name in names:
        recipe = _recipe(recipes.get(name, _RECIPES / f"{name}.json"))
        if name in trained:
            found.append(MatrixModel(name, trained[name], "trained", recipe=recipe))
            continue
        announce(f"making weights for {name}")
        checkpoint = folder / f"{name}.pth"
        if name in built_in_cards():
            save_made(name, checkpoint, None, lambda _told: None)
        else:
            small = next(one for one in honest_networks(1) if one.model == name)
            checkpoint = save_network(small, folder)
        found.append(MatrixModel(name, checkpoint, "made", recipe=recipe))
    return found


def _recipe(path: Path) -> Recipe | None:
    if not path.is_file():
        return None
    return Recipe.from_json(json.loads(path.read_text(encoding="utf-8")), str(path))
