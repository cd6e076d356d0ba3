"""`chunkport export`: the network of a checkpoint to ONNX or TorchScript."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from scripts._build_options import card_option, chosen_options
from scripts._models import chosen_model, model_option, spec_option
from scripts._options import CHECKPOINT, chunkport_command
from scripts._output import Output, megabytes
from scripts._verdicts import show_checks

if TYPE_CHECKING:
    from verify.exported import Form


@chunkport_command("export")
@click.argument("checkpoint", type=CHECKPOINT)
@model_option
@spec_option
@click.option(
    "--to",
    "form",
    type=click.Choice(["onnx", "torchscript"]),
    default="onnx",
    help="What to write; torchscript is deprecated by PyTorch.",
)
@click.option(
    "-o",
    "--output",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The file.",
)
@card_option
@click.option("--samples", type=click.IntRange(min=1), default=4, help="How many inputs prove it.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Which inputs.")
@click.option("--num-threads", type=click.IntRange(min=1), default=2, help="Of ONNX Runtime.")
@click.option("--force", is_flag=True, help="Replace a file that is already there.")
def command(
    output: Output,
    checkpoint: Path,
    model: str | None,
    spec: str | None,
    form: "Form",
    target: Path,
    card: Path | None,
    samples: int,
    seed: int,
    num_threads: int,
    force: bool,
) -> None:
    """Write the network in CHECKPOINT, as it was trained, for other runtimes.

    Its inputs and outputs are the network's own, not those of the .tflite: pictures are NCHW. The
    file is run on seeded inputs and held to the limits of fp32 against PyTorch before it appears.
    Shapes are fixed. ONNX weights above 2 GB lie beside it, in OUTPUT.data.
    """
    from convert.torchscript import DEPRECATED
    from verify.exported import export_network

    name = chosen_model(model, spec)
    if form == "torchscript":
        output.warn(DEPRECATED)
    with output.progress("exporting"):
        exported = export_network(
            checkpoint,
            name,
            form,
            target,
            options=chosen_options(card=card),
            samples=samples,
            seed=seed,
            threads=num_threads,
            force=force,
        )
    show_checks(output, "checks", f"{target} against {checkpoint}", exported.checks)
    output.fact("files", [str(file) for file in exported.files])
    output.fact(
        "size_bytes",
        exported.size_bytes,
        f"{megabytes(exported.size_bytes)}: {', '.join(map(str, exported.files))}",
    )


if __name__ == "__main__":
    from scripts._cli import run

    run(command)
