"""A float32 .tflite, ours or not, in other precisions."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from chunkport.errors import BadInputError, UsageError
from chunkport.files import make_folder, sha256_of, sync_folder
from convert.calibration.measuring import find_ranges
from convert.calibration.ranges import Ranges, write_ranges
from convert.calibration.samples import CalibrationChoice
from convert.card import Card, read_card, tool_versions
from convert.isolation import run_isolated
from convert.pipeline import ConvertedFile, chosen_rows, refuse_overwriting
from convert.quantization.derivation import derive_each, refuse_float_alone, refuse_idle_calibration
from convert.quantization.op_widths import op_widths
from convert.quantization.precision import Precision, find_precision
from convert.quantization.recipe import Recipe
from convert.quantization.weight_rounding import samples_to_round_by
from convert.tflite import read_flatbuffer
from wrappers.spec import BuildOptions

_FLOAT32 = "fp32"


def quantize_file(
    source: Path,
    precisions: Sequence[str],
    output_folder: Path,
    *,
    recipe: Recipe | None = None,
    require_full: bool = False,
    model: str | None = None,
    calibration: CalibrationChoice | None = None,
    integer_io: bool = False,
    force: bool = False,
    show_output: bool = False,
    isolated: bool = True,
    on_step: Callable[[str], None] = lambda _step: None,
) -> tuple[tuple[ConvertedFile, ...], Ranges | None]:
    """Derive the precisions from a float32 file; they appear together or not at all.

    Gives the ranges of its activations too, where a precision needed them.

    A file of ours keeps its card, which says the new precision; another has none to keep.

    Args:
        source: the float32 .tflite.
        precisions: names from the precision table.
        output_folder: made if need be.
        recipe: for the precision "mixed", which is made too where one is given.
        require_full: refuse integer files that leave in float what their recipe is for.
        model: whose spec draws samples or reads pictures, registered or FILE.py:NAME; None for a
            file of unknown origin.
        calibration: what ranges are measured on; None has the model's spec draw samples.
        integer_io: precisions with ranges are made of integers throughout, inputs and outputs too.
        force: replace files that exist.
        show_output: let the quantizer's own output through to stderr.
        isolated: in a process of its own, so that memory and chatter stay there.
        on_step: told the name of each step as it begins.

    Raises:
        UsageError: unknown precision, one that is float32, a file exists, a rule for nothing.
        BadInputError: the source is no .tflite, is damaged or is quantized already.
        ConversionError: the quantizer failed, or left something in float where nothing may be.
    """
    card = read_card(source)
    built = BuildOptions.from_json(card.options) if card else BuildOptions()
    rows = chosen_rows(precisions, recipe, integer_io=integer_io, target=built.target)
    if any(row.recipe is None for row in rows):
        raise UsageError(f"{source}: is the float32 file itself; leave out --precision {_FLOAT32}")
    if require_full:
        refuse_float_alone(row.recipe for row in rows)
    if calibration or integer_io:
        refuse_idle_calibration(row.recipe for row in rows)
    choice = calibration or CalibrationChoice()
    refuse_quantized(source, card)
    stem = source.stem.removesuffix(f"_{find_precision(_FLOAT32).suffix}")
    targets = {row: output_folder / f"{stem}_{row.suffix}.tflite" for row in rows}
    refuse_overwriting([*targets.values(), *filter(None, [choice.save])], force=force)
    make_folder(output_folder)
    with tempfile.TemporaryDirectory(prefix=".quantize-", dir=output_folder) as scratch:
        on_step(f"making {', '.join(row.name for row in rows)}")
        places = {row: Path(scratch) / target.name for row, target in targets.items()}
        wanted = {row: (place, _card_for(row, card)) for row, place in places.items()}
        calibrate = partial(find_ranges, choice=choice, model=model)
        draw = partial(samples_to_round_by, choice=choice, model=model)
        call: Callable[..., Any] = partial(
            derive_each, calibrate=calibrate, draw=draw, require_full=require_full
        )
        given = (source, wanted)
        made, ranges = (
            run_isolated(call, *given, show_output=show_output) if isolated else call(*given)
        )
        for row, target in targets.items():
            places[row].replace(target)
    sync_folder(output_folder)
    if choice.save and ranges:
        write_ranges(ranges, choice.save, force=force)
    files = tuple(
        ConvertedFile(path, row.name, path.stat().st_size, sha256_of(path), *made[row.name])
        for row, path in targets.items()
    )
    return files, ranges


def refuse_quantized(path: Path, card: Card | None) -> None:
    """Refuse a file that is not float32 throughout.

    Raises:
        BadInputError: it is quantized already; says what it is.
    """
    ops = [op for op in op_widths(read_flatbuffer(path)) if op.role == "computes"]
    narrow = [op for op in ops if op.integers or (op.weights and not op.float_weights)]
    halves = [op for op in ops if op.weights == "float16"]
    if not narrow and not halves and (card is None or card.precision == _FLOAT32):
        return
    named = f"its card says {card.precision}; " if card else ""
    widths = sorted({op.weights or f"{op.activations} activations" for op in narrow + halves})
    what = ", ".join(widths) or "a recipe of its own"
    raise BadInputError(
        f"{path}: is quantized already ({named}{len(narrow + halves)} of {len(ops)} computing ops "
        f"have {what}); quantize the float32 file that it was made from"
    )


def _card_for(row: Precision, card: Card | None) -> Card | None:
    """The float32 file's card as that of the precision; None where it has none."""
    if card is None or row.recipe is None:
        return card
    return replace(card, precision=row.name, tools=tool_versions(), recipe=row.recipe.to_json())
