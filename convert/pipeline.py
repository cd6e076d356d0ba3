"""The whole way: a checkpoint to .tflite files in the precisions asked for, all or none."""

import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from checkpoints import list_files
from chunkport.errors import UsageError
from chunkport.files import make_folder, sha256_of, sync_folder
from convert.calibration.measuring import find_ranges
from convert.calibration.ranges import Ranges, write_ranges
from convert.calibration.samples import CalibrationChoice, Samples
from convert.card import Card, identify_checkpoint, tool_versions, write_with_card
from convert.constant_folding import fold_constants
from convert.float_model import FloatRequest, FloatResult, Variant, build_float_model
from convert.isolation import run_isolated
from convert.quantization.coverage import Coverage
from convert.quantization.derivation import derive_each, refuse_float_alone, refuse_idle_calibration
from convert.quantization.precision import (
    Precision,
    find_precision,
    wholly_integer,
    with_integer_norms,
)
from convert.quantization.recipe import Recipe
from convert.quantization.weight_rounding import samples_to_round_by
from convert.tensor_names import shorten_names
from convert.tflite import read_flatbuffer
from wrappers.registry import find_spec
from wrappers.spec import BuildOptions, ModelSpec, Target


@dataclass(frozen=True)
class ConvertedFile:
    """One .tflite that was made.

    Attributes:
        path: where it is.
        precision: its row of the precision table, by name.
        size_bytes: its size.
        sha256: of its bytes.
        seconds: what it took to make from the float32 model.
        coverage: what became of its ops; None for the float32 file, which is as it was converted.
    """

    path: Path
    precision: str
    size_bytes: int
    sha256: str
    seconds: float
    coverage: Coverage | None = None


@dataclass(frozen=True)
class Conversion:
    """The files made from a checkpoint, and what is known about the float32 one beneath them.

    `ranges` are those of its activations, where a precision needed them.
    """

    files: tuple[ConvertedFile, ...]
    checkpoint_sha256: str
    float_result: FloatResult
    ranges: Ranges | None = None


def convert_checkpoint(
    checkpoint: Path,
    model: str,
    precisions: Sequence[str],
    output_folder: Path,
    *,
    recipe: Recipe | None = None,
    require_full: bool = False,
    calibration: CalibrationChoice | None = None,
    integer_io: bool = False,
    options: BuildOptions | None = None,
    variant: Variant = "rewritten",
    name_file: Callable[[ModelSpec, Precision], str] | None = None,
    force: bool = False,
    show_output: bool = False,
    isolated: bool = True,
    on_step: Callable[[str], None] = lambda _step: None,
) -> Conversion:
    """Convert once to float32 and derive the rest; the files appear together or not at all.

    Args:
        checkpoint: a .pth, in chunks or not.
        model: registered name or FILE.py:NAME of its ModelSpec.
        precisions: names from the precision table; repeats are made once.
        output_folder: made if need be.
        recipe: for the precision "mixed", which is made too where one is given.
        require_full: refuse integer files that leave in float what their recipe is for.
        calibration: what ranges are measured on, for precisions that need them; None has the
            model's spec draw samples.
        integer_io: precisions with ranges are made of integers throughout, inputs and outputs too.
        options: how the model is built, where its own way is not wanted.
        variant: "plain" leaves our rewrites out, for comparison.
        name_file: the name of each file; None names what it holds and its precision.
        force: replace files that exist.
        show_output: let the tools' own output through to stderr.
        isolated: in processes of their own, so that memory and chatter stay there; False saves
            starting them, for many small models in one process.
        on_step: told the name of each step as it begins.

    Raises:
        UsageError: unknown model or precision, a file exists, the folder is not writable, or
            calibration is asked for where nothing needs it.
        BadInputError: the checkpoint is damaged or of another model, or what it is to be
            calibrated on cannot be used.
        ConversionError: a tool refused or wrote something wrong, or left something in float where
            nothing may be.
    """
    call = partial(run_isolated, show_output=show_output) if isolated else _called_here
    options = options or BuildOptions()
    spec = find_spec(model, options)
    wanted = chosen_rows(precisions, recipe, integer_io=integer_io, target=options.target)
    if require_full:
        refuse_float_alone(row.recipe for row in wanted)
    if calibration or integer_io:
        refuse_idle_calibration(row.recipe for row in wanted)
    choice = calibration or CalibrationChoice()
    stem = spec.file_stem if variant == "rewritten" else f"{spec.file_stem}_{variant}"
    targets = {
        row: output_folder / (name_file(spec, row) if name_file else f"{stem}_{row.suffix}.tflite")
        for row in wanted
    }
    refuse_overwriting([*targets.values(), *filter(None, [choice.save])], force=force)
    list_files(checkpoint)  # a missing one is told before anything is begun
    make_folder(output_folder)
    with tempfile.TemporaryDirectory(prefix=".convert-", dir=output_folder) as scratch:
        converted = Path(scratch) / "converted.tflite"
        on_step("converting to float32")
        request = FloatRequest(model, checkpoint, converted, variant, options)
        with ThreadPoolExecutor(max_workers=1) as beside:
            identified = beside.submit(identify_checkpoint, checkpoint)
            result = call(build_float_model, request)
            identity = identified.result()
        derived = ", ".join(row.name for row in wanted if row.recipe)
        on_step(f"making {derived}" if derived else "writing the card")
        cards = {
            row: Card(
                model=spec.name,
                precision=row.name,
                variant=variant,
                contract=result.contract,
                checkpoint=identity,
                tools=tool_versions(),
                options=options.to_json(),
                recipe=row.recipe.to_json() if row.recipe else {},
            )
            for row in dict.fromkeys((find_precision("fp32"), *wanted))
        }
        calibrate = partial(find_ranges, choice=choice, model=model)
        draw = partial(samples_to_round_by, choice=choice, model=model)
        make = partial(_make_precisions, calibrate=calibrate, draw=draw, require_full=require_full)
        made, ranges = call(make, converted, cards)
        for row, target in targets.items():
            _scratch_file(converted, row).replace(target)
    sync_folder(output_folder)
    if choice.save and ranges:
        write_ranges(ranges, choice.save, force=force)
    files = tuple(
        ConvertedFile(path, row.name, path.stat().st_size, sha256_of(path), *made[row.name])
        for row, path in targets.items()
    )
    return Conversion(files, identity["sha256"], result, ranges)


def chosen_rows(
    precisions: Sequence[str],
    recipe: Recipe | None,
    *,
    integer_io: bool = False,
    target: Target | None = None,
) -> list[Precision]:
    """The rows of these precisions, each once, and of "mixed" where a recipe is given for it.

    With `integer_io` those with ranges are integer throughout, and their files' names say so. Of a
    model that is built for an NPU the norms are integer without it too: in 8 bits, which they were
    rewritten for.

    Raises:
        UsageError: there is no such precision, none was asked for, or "mixed" has no recipe.
    """
    names = [*precisions, *(["mixed"] if recipe else [])]
    rows = [_with_recipe(row, recipe) for row in dict.fromkeys(map(find_precision, names))]
    if not rows:
        raise UsageError("no precision asked for; add --precision int8, for one")
    if integer_io:  # norms in 16 bits: TinySeal's logits are 4.4% off then, in 8 bits 6.3%
        return [_wholly_integer(row) for row in rows]
    if target == "npu":
        return [row if row.name == "mixed" else _with_integer_norms(row) for row in rows]
    return rows


def _with_integer_norms(row: Precision) -> Precision:
    return replace(row, recipe=with_integer_norms(row.recipe)) if row.recipe else row


def _wholly_integer(row: Precision) -> Precision:
    if row.recipe is None or not row.recipe.calibrated:
        return row
    return replace(row, recipe=wholly_integer(row.recipe), suffix=f"{row.suffix}_integer_io")


def _with_recipe(row: Precision, recipe: Recipe | None) -> Precision:
    """The row, "mixed" with the recipe that was given."""
    if row.name != "mixed":
        return row
    if recipe is None:
        raise UsageError("precision 'mixed' has no recipe of its own; give one with --recipe")
    return replace(row, recipe=recipe)


def _called_here(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


def _make_precisions(
    converted: Path,
    cards: dict[Precision, Card],
    *,
    calibrate: Callable[[Path], Ranges],
    draw: Callable[[Path], Samples],
    require_full: bool,
) -> tuple[dict[str, tuple[float, Coverage | None]], Ranges | None]:
    """Make each precision beside the converted file; by name, the seconds and the ops of each.

    Float32 comes first, wanted or not: the others are made from it, and the ranges of its
    activations are measured on it, once for all.
    """
    started = time.perf_counter()
    first = find_precision("fp32")
    float_model = _scratch_file(converted, first)
    _finish(converted, float_model, cards[first])
    converted.unlink()
    seconds = time.perf_counter() - started
    wanted = {row: (_scratch_file(converted, row), cards[row]) for row in cards if row.recipe}
    made, ranges = derive_each(
        float_model, wanted, calibrate=calibrate, draw=draw, require_full=require_full
    )
    return {first.name: (seconds, None), **made}, ranges


def _finish(converted: Path, target: Path, card: Card) -> None:
    """Fold what the converter left to be folded, shorten names, put the card in; one writing."""
    model = read_flatbuffer(converted)
    fold_constants(model)
    shorten_names(model)
    write_with_card(model, target, card)


def _scratch_file(converted: Path, row: Precision) -> Path:
    return converted.with_name(f"{row.name}.tflite")


def refuse_overwriting(targets: Iterable[Path], *, force: bool) -> None:
    """Raises UsageError where one of the files is there, and nobody said to replace it."""
    existing = [str(path) for path in targets if path.exists()]
    if existing and not force:
        raise UsageError(f"{', '.join(existing)}: already there; add --force to replace")
