"""`chunkport quantize`: a float32 .tflite, ours or not, in other precisions."""

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scripts._calibration import calibration_options, chosen_calibration, show_calibration
from scripts._conversions import show_files
from scripts._models import PRECISIONS, spec_again, spec_option
from scripts._options import FOLDER, TFLITE, chunkport_command
from scripts._output import Column, Output, number
from scripts._recipes import chosen_recipe, recipe_option, require_full_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from convert.calibration.samples import CalibrationChoice
    from convert.card import Card
    from verify.float_agreement import OutputDistance
    from wrappers.spec import Arrays

_DISTANCES = (
    Column("path", "file"),
    Column("output", "output", lambda name: name or "-"),
    Column("relative_l2", "relative distance", number, right=True),
    Column("snr_db", "SNR in dB", number, right=True),
    Column("largest_difference", "largest difference", number, right=True),
    Column("reason", "", lambda reason: reason or ""),
)


@chunkport_command("quantize")
@click.argument("file", type=TFLITE)
@click.option(
    "--precision",
    "precisions",
    metavar="NAME",
    multiple=True,
    help=f"What to make; may be repeated: {PRECISIONS}.",
)
@recipe_option
@require_full_option
@calibration_options
@spec_option
@click.option("-o", "--output-dir", type=FOLDER, default=".", help="Where the files go.")
@click.option("--samples", type=click.IntRange(min=1), default=8, help="How many to compare on.")
@click.option(
    "--samples-dir",
    type=FOLDER,
    help="Of .npy or .npz files of inputs, or pictures, to compare on.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Which ones, if drawn.")
@click.option("--num-threads", type=click.IntRange(min=1), default=2, help="Of the runtime.")
@click.option("--force", is_flag=True, help="Replace files that are already there.")
def command(
    output: Output,
    file: Path,
    precisions: tuple[str, ...],
    recipe_file: Path | None,
    require_full: bool,
    spec: str | None,
    output_dir: Path,
    samples: int,
    samples_dir: Path | None,
    seed: int,
    num_threads: int,
    integer_io: bool,
    force: bool,
    **calibration: Any,
) -> None:
    """Quantize FILE, a float32 .tflite of any origin; its name and the precision's are joined.

    The outputs are compared with those of FILE itself, on samples. A file of ours keeps its card,
    so that verify gives its verdict; of another nothing more can be told than that.
    """
    from convert.calibration.samples import CalibrationChoice
    from convert.card import read_card
    from convert.quantization.requantize import quantize_file
    from verify.float_agreement import compare_with_float

    card = read_card(file)
    model = _model_of(card, spec)
    inputs = _samples(output, file, model, CalibrationChoice(samples_dir, samples, seed))
    with output.progress("quantizing") as advance:
        made, ranges = quantize_file(
            file,
            precisions,
            output_dir,
            recipe=chosen_recipe(recipe_file),
            require_full=require_full,
            model=model,
            calibration=chosen_calibration(calibration)[0],
            integer_io=integer_io,
            force=force,
            show_output=output.verbose,
            on_step=lambda step: advance(0, step),
        )
        advance(0, "comparing")
        paths = [item.path for item in made]
        rows = compare_with_float(file, paths, inputs, num_threads)
    show_files(output, f"from {file}", made, file.stat().st_size)
    show_calibration(output, ranges)
    _show_distances(output, file, rows, len(inputs))
    if card:
        named = shlex.join(map(str, paths))
        output.next_step(f"chunkport verify {named} --checkpoint CHECKPOINT{spec_again(spec)}")


def _model_of(card: "Card | None", spec: str | None) -> str | None:
    """Whose spec knows the file's inputs, where there is one."""
    from wrappers.registry import model_names

    return spec or (card.model if card and card.model in model_names() else None)


def _samples(
    output: Output, file: Path, model: str | None, choice: "CalibrationChoice"
) -> "list[Arrays]":
    """Those of the folder, or that the model's spec makes, or noise, with a warning."""
    from convert.calibration.measuring import samples_for

    samples = samples_for(file, choice, model)
    if samples.source == "noise":
        output.warn(
            f"{file}: nothing is known of its inputs, so that files are compared on normal noise; "
            "how far apart they are on real ones may be another matter: give --samples-dir with "
            ".npy or .npz files of some"
        )
    return list(samples.read())


def _show_distances(
    output: Output, file: Path, rows: "Sequence[OutputDistance]", samples: int
) -> None:
    shown = [{**asdict(row), "path": str(row.path)} for row in rows]
    title = f"Outputs beside those of {file}, on {samples} samples"
    output.table("outputs", title, _DISTANCES, shown)
    output.note("Whether that is near enough is no verdict: it says nothing of the task.")


if __name__ == "__main__":
    from scripts._cli import run

    run(command)
