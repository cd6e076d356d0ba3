"""One precision made from a float32 file: quantized, looked through, its card put in."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from chunkport.errors import UsageError
from convert.calibration.ranges import Ranges
from convert.calibration.record import record_calibration
from convert.calibration.samples import Samples
from convert.card import Card, stamp
from convert.quantization.coverage import Coverage, cover, refuse_leftovers
from convert.quantization.integer_io import contract_as_stored
from convert.quantization.precision import Precision, find_precision
from convert.quantization.quantize import quantize
from convert.quantization.recipe import Recipe
from convert.quantization.recipe_fit import refuse_unmatched
from convert.quantization.spared_layers import spare_layers
from convert.quantization.weight_rounding import record_rounding, round_weights
from convert.stored.weight_origins import with_origins
from convert.tflite import read_flatbuffer
from wrappers.spec import Contract


def derive(
    float_model: Path,
    name: str,
    recipe: Recipe,
    target: Path,
    card: Card | None,
    *,
    ranges: Ranges | None = None,
    samples: Samples | None = None,
    require_full: bool = False,
) -> Coverage:
    """Write `target` by the recipe, and tell what became of each op.

    Args:
        float_model: the float32 .tflite.
        name: of the precision, for messages.
        recipe: the widths; the precision may add rules to it for layers that need them.
        target: the file to write; with a failure it may be left unfinished.
        card: what the file is; its recipe, coverage and calibration are filled in. None writes
            none.
        ranges: of the float32 file's activations; for recipes that are calibrated.
        samples: for recipes whose integers are chosen by them.
        require_full: refuse a file that leaves in float what its recipe is for.

    Raises:
        UsageError: a rule of the recipe is for nothing in the model, or samples are missing.
        ConversionError: the quantizer failed, or something was left in float.
    """
    refuse_unmatched(recipe, float_model)
    if ranges is not None and find_precision(name).spares_layers:
        recipe = spare_layers(recipe, ranges, read_flatbuffer(float_model))
    quantized = target.with_suffix(".quantized")
    quantize(float_model, recipe, quantized, ranges)
    if recipe.rounded_by_samples:
        if samples is None:
            raise UsageError(
                f"{name}: its recipe chooses integers by samples, and none are given; name a "
                "folder with --calibration-dir"
            )
        round_weights(float_model, recipe, quantized, list(samples.read()))
    coverage = cover(quantized, recipe)
    if require_full and recipe.in_integers:
        refuse_leftovers(coverage, name)
    if card is None:
        quantized.replace(target)
    else:
        told = with_origins(card, recipe, float_model)
        told = replace(told, recipe=recipe.to_json())
        if recipe.in_integers:
            told = replace(told, coverage=coverage.summary())
        if ranges is not None and recipe.calibrated:
            record = record_calibration(ranges, read_flatbuffer(float_model))
            told = replace(told, calibration=record)
        if samples is not None and recipe.rounded_by_samples:
            told = replace(told, rounding=record_rounding(recipe, samples))
        if recipe.integer_io:
            contract = Contract.from_json(card.contract)
            stored = contract_as_stored(contract, read_flatbuffer(quantized))
            told = replace(told, contract=stored.to_json())
        stamp(quantized, target, told)
        quantized.unlink()
    return coverage


def derive_each(
    float_model: Path,
    wanted: Mapping[Precision, tuple[Path, Card | None]],
    *,
    calibrate: Callable[[Path], Ranges],
    draw: Callable[[Path], Samples],
    require_full: bool,
) -> tuple[dict[str, tuple[float, Coverage]], Ranges | None]:
    """Make each precision that has a recipe: its file, its card.

    The ranges of activations are measured once for all, where one needs them.

    Returns:
        By name, the seconds and the ops of each; and the ranges.

    Raises:
        As `derive`, and what `calibrate` and `draw` raise.
    """
    made = {}
    ranges: Ranges | None = None
    for row, (target, card) in wanted.items():
        started = time.perf_counter()
        assert row.recipe is not None
        if row.recipe.calibrated and ranges is None:
            ranges = calibrate(float_model)
        samples = draw(float_model) if row.recipe.rounded_by_samples else None
        given = (float_model, row.name, row.recipe, target, card)
        coverage = derive(*given, ranges=ranges, samples=samples, require_full=require_full)
        made[row.name] = time.perf_counter() - started, coverage
    return made, ranges


def refuse_float_alone(recipes: Iterable[Recipe | None]) -> None:
    """Raises UsageError where --require-full has no integer precision to hold to it."""
    if not any(recipe and recipe.in_integers for recipe in recipes):
        raise UsageError(
            "--require-full is of integers, and only fp32 or fp16 is asked for; add --precision "
            "int8-static, for one, or leave it out"
        )


def refuse_idle_calibration(recipes: Iterable[Recipe | None]) -> None:
    """Raises UsageError where no precision needs samples, and flags of calibration are given."""
    if not any(recipe and (recipe.calibrated or recipe.rounded_by_samples) for recipe in recipes):
        raise UsageError(
            "none of the precisions has ranges to measure; add --precision int8-static, for one, "
            "or leave out --integer-io and the flags of calibration"
        )
