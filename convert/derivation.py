"""One precision made from a float32 file: quantized, looked through, its card put in."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from chunkport.errors import UsageError
from convert.card import Card, stamp
from convert.coverage import Coverage, cover, refuse_leftovers
from convert.quantize import Measured, quantize
from convert.recipe import Recipe
from convert.recipe_fit import refuse_unmatched


def derive(
    float_model: Path,
    name: str,
    recipe: Recipe,
    target: Path,
    card: Card | None,
    *,
    measured: Measured | None = None,
    require_full: bool = False,
) -> Coverage:
    """Write `target` by the recipe, and tell what became of each op.

    Args:
        float_model: the float32 .tflite.
        name: of the precision, for messages.
        recipe: the widths.
        target: the file to write; with a failure it may be left unfinished.
        card: what the file is, its coverage to be filled in; None writes none.
        measured: what calibration found.
        require_full: refuse a file that leaves in float what its recipe is for.

    Raises:
        UsageError: a rule of the recipe is for nothing in the model.
        ConversionError: the quantizer failed, or something was left in float.
    """
    refuse_unmatched(recipe, float_model)
    quantized = target.with_suffix(".quantized")
    quantize(float_model, recipe, quantized, measured)
    coverage = cover(quantized, recipe)
    if require_full and recipe.in_integers:
        refuse_leftovers(coverage, name)
    if card is None:
        quantized.replace(target)
    else:
        stamp(quantized, target, replace(card, coverage=coverage.summary()))
        quantized.unlink()
    return coverage


def refuse_float_alone(recipes: Iterable[Recipe | None]) -> None:
    """Raises UsageError where --require-full has no integer precision to hold to it."""
    if not any(recipe and recipe.in_integers for recipe in recipes):
        raise UsageError(
            "--require-full is of integers, and only fp32 or fp16 is asked for; add --precision "
            "int8-static, for one, or leave it out"
        )
