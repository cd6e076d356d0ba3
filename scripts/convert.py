"""`chunkport convert`: a checkpoint to .tflite files."""

import shlex
from pathlib import Path

import click

from scripts._models import PRECISIONS, chosen_model, model_option, spec_again, spec_option
from scripts._options import CHECKPOINT, FOLDER, chunkport_command
from scripts._output import Column, Output, megabytes, number, ratio

_COLUMNS = (
    Column("path", "file"),
    Column("precision", "precision"),
    Column("size_bytes", "size", megabytes, right=True),
    Column("ratio_to_weights", "of the weights", ratio, right=True),
    Column("seconds", "seconds", number, right=True),
)


@chunkport_command("convert")
@click.argument("checkpoint", type=CHECKPOINT)
@model_option
@spec_option
@click.option(
    "--precision",
    "precisions",
    metavar="NAME",
    multiple=True,
    default=["fp32"],
    help=f"What to make; may be repeated: {PRECISIONS}.",
)
@click.option("-o", "--output-dir", type=FOLDER, default=".", help="Where the files go.")
@click.option("--force", is_flag=True, help="Replace files that are already there.")
@click.option("--plain", is_flag=True, help="Without our rewrites, to compare against.")
def command(
    output: Output,
    checkpoint: Path,
    model: str | None,
    spec: str | None,
    precisions: tuple[str, ...],
    output_dir: Path,
    force: bool,
    plain: bool,
) -> None:
    """Convert CHECKPOINT, in chunks or not, to .tflite files.

    It is converted to float32 once; every other precision is derived from that file. All files
    appear together, or none does.
    """
    from convert.pipeline import convert_checkpoint

    name = chosen_model(model, spec)
    with output.progress("converting") as advance:
        conversion = convert_checkpoint(
            checkpoint,
            name,
            precisions,
            output_dir,
            variant="plain" if plain else "rewritten",
            force=force,
            show_output=output.verbose,
            on_step=lambda step: advance(0, step),
        )
    for line in conversion.float_result.mended:
        output.warn(f"mended before conversion: {line}")
    weight_bytes = conversion.float_result.weight_bytes
    output.table(
        "files",
        f"{name} from {checkpoint}",
        _COLUMNS,
        [
            {
                "path": str(file.path),
                "precision": file.precision,
                "size_bytes": file.size_bytes,
                "ratio_to_weights": file.size_bytes / weight_bytes,
                "seconds": round(file.seconds, 2),
                "sha256": file.sha256,
            }
            for file in conversion.files
        ],
    )
    audit = conversion.float_result.audit
    if audit is None:
        output.note("The weights were not audited: a plain conversion folds them by itself.")
    else:
        sentence = f"All {audit.tensors} weights are in the float32 file, bit for bit."
        output.fact("weights_audited", audit.tensors, sentence)
        for name in audit.unaudited:
            output.warn(f"{name}: of a normalisation, combined with others, so not audited")
    output.fact("conversion_seconds", round(conversion.float_result.seconds, 2))
    output.fact("checkpoint_sha256", conversion.checkpoint_sha256)
    paths = shlex.join(str(file.path) for file in conversion.files)
    source = shlex.quote(str(checkpoint))
    output.next_step(f"chunkport verify {paths} --checkpoint {source}{spec_again(spec)}")


if __name__ == "__main__":
    from scripts._cli import run

    run(command)
