"""`chunkport quantize-weights`: a checkpoint's weights in 8 or 16 bits, with the measured loss."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chunkport.errors import BadInputError, UsageError
from chunkport.files import replacing
from scripts._options import CHECKPOINT, chunkport_command
from scripts._output import Column, Output, megabytes, number, ratio

if TYPE_CHECKING:
    from collections.abc import Sequence

    from checkpoints.lazy import Checkpoint
    from checkpoints.quantized_weights import Kind, Loss

_SHOWN = 10
_COLUMNS = (
    Column("name", "tensor"),
    Column("size_bytes", "size", megabytes, right=True),
    Column("size_bytes_after", "after", megabytes, right=True),
    Column("max_abs_error", "largest error", number, right=True),
    Column("relative_l2", "relative L2", number, right=True),
    Column("snr_db", "SNR in dB", number, right=True),
)


@chunkport_command("quantize-weights")
@click.argument("checkpoint", type=CHECKPOINT)
@click.option(
    "-o",
    "--output",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The small checkpoint, a .pth or .safetensors.",
)
@click.option("--bits", type=click.Choice(["8", "16"]), default="8", help="Per weight.")
@click.option("--bfloat16", is_flag=True, help="With --bits 16: wider range, fewer digits.")
@click.option("--force", is_flag=True, help="Replace a checkpoint that is already there.")
def command(
    output: Output, checkpoint: Path, target: Path, bits: str, bfloat16: bool, force: bool
) -> None:
    """Write the weights in CHECKPOINT in fewer bits, readable by any loader.

    In 16 bits names stay, and the result can be used like any checkpoint. In 8 bits `NAME` becomes
    `NAME.int8` and `NAME.scale`, which is one factor per index of dim 0;
    `checkpoints.dequantize` gives the original names. Biases, norms and integers stay. Optimizers
    are left out: rounded, they are of no use. The loss of each tensor also goes into
    OUTPUT's .quantization.json.
    """
    from checkpoints.layout import layout_of
    from checkpoints.lazy import open_checkpoint
    from checkpoints.quantized_weights import quantize
    from checkpoints.streamed_writer import save_streamed

    if bfloat16 and bits == "8":
        raise UsageError("--bfloat16 is a way to have 16 bits; add --bits 16")
    layout = layout_of(target)
    metadata = layout.folder / f"{layout.stem}.quantization.json"
    taken = (target, layout.manifest, layout.index, metadata)
    if not force and any(file.exists() for file in taken):
        raise UsageError(f"{target}: already there; add --force to replace")
    kind: Kind = "int8" if bits == "8" else "bfloat16" if bfloat16 else "float16"
    opened = _without_optimizers(open_checkpoint(checkpoint), output)
    with output.progress("quantizing") as advance:
        made, losses = quantize(opened, kind, lambda name: advance(1, name))
        if not losses:
            raise BadInputError(f"{checkpoint}: holds no weights to quantize")
        saved = save_streamed(made, target, announce=output.note)
    rows = [asdict(loss) for loss in losses]
    rows.sort(key=lambda row: -row["relative_l2"])
    output.table(None, f"the {_SHOWN} tensors that lost most", _COLUMNS, rows[:_SHOWN])
    output.fact("path", str(saved.path))
    output.fact("metadata", str(metadata))
    output.fact("dtype", kind)
    output.fact("tensors", rows)
    _sum_up(output, losses, saved.total_bytes)
    with replacing(metadata) as temporary:
        temporary.write_text(json.dumps(output.document(), indent=2) + "\n", encoding="utf-8")


def _without_optimizers(checkpoint: "Checkpoint", output: Output) -> "Checkpoint":
    left = [key for key in checkpoint.contents if "optimizer" in key.lower()]
    if left:
        output.warn(f"left out: {', '.join(left)}")
    kept = {key: value for key, value in checkpoint.contents.items() if key not in left}
    return replace(checkpoint, contents=kept)


def _sum_up(output: Output, losses: "Sequence[Loss]", size_bytes: int) -> None:
    before = sum(loss.size_bytes for loss in losses)
    after = sum(loss.size_bytes_after for loss in losses)
    worst = max(loss.relative_l2 for loss in losses)
    output.fact("weights_size_bytes", before)
    output.fact("weights_size_bytes_after", after)
    output.fact("worst_relative_l2", worst)
    output.fact(
        "size_bytes",
        size_bytes,
        f"{len(losses)} tensors, {megabytes(before)} to {megabytes(after)} "
        f"({ratio(after / before)}), worst relative L2 {number(worst)}; "
        f"the file takes {megabytes(size_bytes)}",
    )


if __name__ == "__main__":
    from scripts._cli import run

    run(command)
