"""`chunkport convert`: a checkpoint to .tflite files."""

import shlex
from pathlib import Path
from typing import Any

import click

from scripts._build_options import build_options, chosen_options
from scripts._calibration import calibration_options, chosen_calibration
from scripts._conversions import show_conversion
from scripts._models import PRECISIONS, chosen_model, model_option, spec_again, spec_option
from scripts._options import CHECKPOINT, FOLDER, chunkport_command
from scripts._output import Output
from scripts._recipes import chosen_recipe, precisions_or, recipe_option, require_full_option


@chunkport_command("convert")
@click.argument("checkpoint", type=CHECKPOINT)
@model_option
@spec_option
@click.option(
    "--precision",
    "precisions",
    metavar="NAME",
    multiple=True,
    help=f"What to make; may be repeated: {PRECISIONS}.  [default: fp32]",
)
@recipe_option
@require_full_option
@click.option("-o", "--output-dir", type=FOLDER, default=".", help="Where the files go.")
@calibration_options
@build_options
@click.option("--force", is_flag=True, help="Replace files that are already there.")
@click.option("--plain", is_flag=True, help="Without our rewrites, to compare against.")
def command(
    output: Output,
    checkpoint: Path,
    model: str | None,
    spec: str | None,
    precisions: tuple[str, ...],
    recipe_file: Path | None,
    require_full: bool,
    output_dir: Path,
    force: bool,
    plain: bool,
    integer_io: bool,
    **others: Any,
) -> None:
    """Convert CHECKPOINT, in chunks or not, to .tflite files.

    It is converted to float32 once; every other precision is derived from that file. All files
    appear together, or none does.
    """
    from convert.pipeline import convert_checkpoint

    name = chosen_model(model, spec)
    calibration, build = chosen_calibration(others)
    options, recipe = chosen_options(**build), chosen_recipe(recipe_file)
    with output.progress("converting") as advance:
        conversion = convert_checkpoint(
            checkpoint,
            name,
            precisions_or("fp32", precisions, recipe),
            output_dir,
            recipe=recipe,
            require_full=require_full,
            calibration=calibration,
            integer_io=integer_io,
            options=options,
            variant="plain" if plain else "rewritten",
            force=force,
            show_output=output.verbose,
            on_step=lambda step: advance(0, step),
        )
    show_conversion(output, name, checkpoint, conversion)
    paths = shlex.join(str(file.path) for file in conversion.files)
    source = shlex.quote(str(checkpoint))
    output.next_step(f"chunkport verify {paths} --checkpoint {source}{spec_again(spec)}")


if __name__ == "__main__":
    from scripts._cli import run

    run(command)
