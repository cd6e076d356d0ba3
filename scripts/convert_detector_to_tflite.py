"""`convert_detector_to_tflite.py`: a watermark detector to one .tflite, in few words."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scripts._build_options import build_options, chosen_options
from scripts._conversions import show_conversion
from scripts._detectors import find_checkpoint
from scripts._options import CHECKPOINT, FOLDER, chunkport_command
from scripts._output import Output

if TYPE_CHECKING:
    from convert.quantization.precision import Precision
    from wrappers.spec import ModelSpec


def short_name(spec: "ModelSpec", precision: "Precision") -> str:
    """The file's name in this script's scheme, as in chunkyseal_detector_chunkyseal_256_int8."""
    model, _, form = spec.file_stem.partition("_detector_")
    suffix = {"fp32": "", "int8-dynamic": "_int8"}.get(precision.name, f"_{precision.suffix}")
    return f"{model}_detector_{model}_{form}{suffix}.tflite"


@chunkport_command("convert-detector-to-tflite")
@click.option("-o", "--output-dir", type=FOLDER, default=".", help="Where the file goes.")
@click.option("--model-name", metavar="NAME", default="chunkyseal", help="Which detector.")
@click.option(
    "--checkpoint", type=CHECKPOINT, help="Its weights; else NAME_detector_only.pth in this folder."
)
@click.option("--quantize", type=click.Choice(["int8", "fp16"]), help="Else float32.")
@build_options
@click.option("--force", is_flag=True, help="Replace a file that is already there.")
def command(
    output: Output,
    output_dir: Path,
    model_name: str,
    checkpoint: Path | None,
    quantize: str | None,
    force: bool,
    **build: Any,
) -> None:
    """Convert a watermark detector to one .tflite.

    `chunkport convert` does the same for any model, in several precisions at once.
    """
    from convert.pipeline import convert_checkpoint
    from wrappers.registry import find_spec

    options = chosen_options(**build)
    spec = find_spec(model_name, options)
    weights = find_checkpoint(spec.name, checkpoint)
    with output.progress("converting") as advance:
        conversion = convert_checkpoint(
            weights,
            model_name,
            [quantize or "fp32"],
            output_dir,
            options=options,
            name_file=short_name,
            force=force,
            show_output=output.verbose,
            on_step=lambda step: advance(0, step),
        )
    show_conversion(output, model_name, weights, conversion)
    made = shlex.quote(str(conversion.files[0].path))
    output.next_step(
        f"python scripts/verify_detector_tflite.py --tflite_model {made} "
        f"--checkpoint {shlex.quote(str(weights))}"
    )


if __name__ == "__main__":
    from scripts._cli import run

    run(command)
