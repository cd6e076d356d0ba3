"""`chunkport extract-detector-weights`: the detector out of a checkpoint of any size."""

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chunkport.errors import UsageError
from scripts._options import CHECKPOINT, chunkport_command
from scripts._output import Output, megabytes

if TYPE_CHECKING:
    from checkpoints.archive_writing import TensorSource
    from checkpoints.disk_tensor import DiskTensor
    from checkpoints.layout import Container

_MIB = 1 << 20


@chunkport_command("extract-detector-weights")
@click.argument("checkpoint", type=CHECKPOINT)
@click.option(
    "-o",
    "--output",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The detector's own checkpoint, a .pth or .safetensors.",
)
@click.option(
    "--container",
    type=click.Choice(["pth", "safetensors"]),
    help="What holds the tensors; by default what OUTPUT ends in.",
)
@click.option("--chunk", is_flag=True, help="Write it in chunks, none above the cap.")
@click.option(
    "--max-chunk-mb",
    type=float,
    help="With --chunk: the cap on every file, in MiB.  [default: 90]",
)
@click.option("--force", is_flag=True, help="Replace a checkpoint that is already there.")
def command(
    output: Output,
    checkpoint: Path,
    target: Path,
    container: "Container | None",
    chunk: bool,
    max_chunk_mb: float | None,
    force: bool,
) -> None:
    """Copy the watermark detector, and only it, out of CHECKPOINT.

    CHECKPOINT is the .pth of a whole model or of a training run, in chunks or not, a .safetensors,
    or the folder or index of several. Only the detector's bytes are read, each checked against its
    CRC-32 where there is one, in memory that does not grow with the file; no code of the file is
    run.
    """
    from checkpoints.layout import layout_of
    from checkpoints.lazy import open_checkpoint
    from checkpoints.saving import DEFAULT_CHUNK_MB
    from checkpoints.streamed_writer import save_streamed
    from wrappers.detector_weights import PREFIX, find_detector

    if max_chunk_mb is not None and not chunk:
        raise UsageError("--max-chunk-mb caps the chunks of --chunk; add it, or leave out the cap")
    layout = layout_of(target)
    if not force and any(file.exists() for file in (target, layout.manifest, layout.index)):
        raise UsageError(f"{target}: already there; add --force to replace")
    detector = find_detector(open_checkpoint(checkpoint))
    named = {f"{PREFIX}{name}": tensor for name, tensor in detector.tensors.items()}
    total = sum(tensor.size_bytes for tensor in named.values())
    cap = DEFAULT_CHUNK_MB if max_chunk_mb is None else max_chunk_mb
    with output.progress("extracting MiB", total=round(total / _MIB)) as advance:
        contents = {"model": _sources(named, advance), **detector.described}
        saved = save_streamed(
            contents,
            target,
            cap if chunk else None,
            container=container,
            announce=output.note,
        )
    size = saved.total_bytes
    count = len(saved.chunk_files)
    files = f"{saved.path}, in {count} chunks" if count else str(saved.path)
    output.fact("path", str(saved.path))
    output.fact("chunk_files", [str(file) for file in saved.chunk_files])
    output.fact("tensors", len(named))
    output.fact("size_bytes", size, f"{len(named)} tensors, {megabytes(size)}: {files}")
    output.next_step(f"chunkport convert {shlex.quote(str(saved.path))} --model NAME")


def _sources(
    tensors: "Mapping[str, DiskTensor]", advance: Callable[..., None]
) -> "dict[str, TensorSource]":
    """Each tensor as something to be streamed; tied ones stay tied."""
    from checkpoints.streaming import TensorStream

    stream = TensorStream()
    made = {
        tensor: stream.source(tensor, lambda count: advance(count / _MIB))
        for tensor in dict.fromkeys(tensors.values())
    }
    return {name: made[tensor] for name, tensor in tensors.items()}


if __name__ == "__main__":
    from scripts._cli import run

    run(command)
