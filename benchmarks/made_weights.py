"""Detector checkpoints at their published size with made weights, in constant memory.

python benchmarks/made_weights.py chunkyseal -o FILE.pth [--chunk] [--full]

The weights are drawn from each tensor's name, so they are the same wherever they are made, and
scaled so that activations keep near unit variance. With --full the file is as large as that of a
training run: an embedder of the published size and AdamW's moments of the detector stand around the
detector, all zeros, which take no room on disk.
"""

import math
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import click
import numpy as np
import torch
import yaml

from checkpoints.archive_writing import Blocks, TensorSource, write_members
from checkpoints.streamed_writer import save_streamed
from chunkport.errors import UsageError
from chunkport.files import make_folder, replacing
from networks.cards import DetectorCard, built_in_cards, load_card
from networks.detector import build_detector
from scripts._cli import run
from scripts._options import chunkport_command
from scripts._output import Output, megabytes

_BLOCK = 1 << 18  # elements drawn at a time
_NEAR_ZERO = {"bias", "gamma", "beta", "pos_embed", "rel_pos_h", "rel_pos_w"}
_EMBEDDER_MIB = {"chunkyseal": 3918, "pixelseal": 168, "videoseal-1.0": 91, "videoseal-0.0": 64}
_HOLE = bytes(1 << 20)


def made_detector(card: DetectorCard) -> dict[str, TensorSource]:
    """A state dict of the detector that `card` describes, its keys without prefix."""
    with torch.device("meta"):
        network = build_detector(card)
    return {
        name: TensorSource("float32", tuple(tensor.shape), _drawn(name, tuple(tensor.shape)))
        for name, tensor in network.state_dict().items()
    }


def _drawn(name: str, shape: tuple[int, ...]) -> Any:
    """The made weights of the tensor called `name`: N(0, 1) from its name, shifted and scaled."""
    small = name.rpartition(".")[2] in _NEAR_ZERO
    norm = len(shape) == 1 and not small
    fan_in = math.prod(shape[1:])

    def blocks(first: int, last: int) -> Iterator[memoryview]:
        rng = np.random.default_rng(zlib.crc32(f"fixture:{name}".encode()))
        for start in range(0, last, _BLOCK):
            stop = min(start + _BLOCK, last)
            numbers = rng.standard_normal(stop - start, dtype=np.float32)
            if stop > first:
                if small or norm:
                    numbers = np.float32(norm) + np.float32(0.1) * numbers
                else:
                    numbers /= np.float32(math.sqrt(fan_in))
                yield memoryview(numbers[max(first - start, 0) :].view(np.uint8).data)

    return blocks


def _zeros(*shape: int) -> TensorSource:
    def blocks(first: int, last: int) -> Blocks:
        size = 4 * (last - first)
        for start in range(0, size, len(_HOLE)):
            yield memoryview(_HOLE)[: size - start]

    return TensorSource("float32", shape, blocks)


def training_run(name: str, detector: Mapping[str, TensorSource], args: str) -> dict[str, Any]:
    """What the checkpoint of a training run holds, with nothing but its detector trained."""
    model = {f"embedder.made.{i}": _zeros(1024, 256) for i in range(_EMBEDDER_MIB[name])}
    model |= {f"detector.{key}": source for key, source in detector.items()}
    model |= {"rgb2yuv.M": _zeros(3, 3), "attenuation.conv_lum.weight": _zeros(1, 1, 5, 5)}
    moments = {
        number: {
            "step": _zeros(),
            "exp_avg": _zeros(*source.shape),
            "exp_avg_sq": _zeros(*source.shape),
        }
        for number, source in enumerate(detector.values())
    }
    groups = [{"lr": 1e-4, "betas": (0.9, 0.999), "params": list(moments)}]
    return {
        "epoch": 600,
        "model": model,
        "optimizer": {"state": moments, "param_groups": groups},
        "discriminator": None,
        "args": args,
    }


def save_made(
    name: str, target: Path, chunk_mb: int | None, announce: Callable[[str], None]
) -> int:
    """Write the detector of a built-in card, as extracted from a training run; its bytes."""
    card = load_card(name)
    model = {f"detector.{key}": source for key, source in made_detector(card).items()}
    contents = {"model": model, "args": _training_args(card)}
    return save_streamed(contents, target, chunk_mb, announce=announce).total_bytes


def _training_args(card: DetectorCard) -> str:
    return yaml.safe_dump(
        {
            "nbits": card.nbits,
            "img_size_proc": card.image_size,
            "extractor_model": card.extractor,
        }
    )


class _SparseFile:
    """A file in which zeros of `_HOLE` become holes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.size_bytes = 0

    def write(self, data: bytes | memoryview, /) -> int:
        if isinstance(data, memoryview) and data.obj is _HOLE:
            self._file.seek(len(data), 1)
        else:
            self._file.write(data)
        self.size_bytes += len(data)
        return len(data)

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        """Nothing: whoever opened the file closes it."""


@chunkport_command("made-weights")
@click.argument("name", metavar="MODEL", type=click.Choice(built_in_cards()))
@click.option(
    "-o", "--output", "target", type=click.Path(path_type=Path), required=True, help="A .pth."
)
@click.option("--chunk", is_flag=True, help="In chunks of at most 90 MiB.")
@click.option("--full", is_flag=True, help="As large as the file of a training run.")
@click.option("--force", is_flag=True, help="Replace a file that is already there.")
def command(
    *, output: Output, name: str, target: Path, chunk: bool, full: bool, force: bool
) -> None:
    """Write a checkpoint of MODEL's published size with made weights."""
    if chunk and full:
        raise UsageError("--full writes one file, as training does; leave out --chunk")
    if target.exists() and not force:
        raise UsageError(f"{target}: already there; add --force to replace")
    if full:
        card = load_card(name)
        made = training_run(name, made_detector(card), _training_args(card))
        make_folder(target.parent)
        with replacing(target) as temporary, temporary.open("xb") as file:
            write_members(made, _SparseFile(file))
        size = target.stat().st_size
    else:
        size = save_made(name, target, 90 if chunk else None, output.note)
    output.fact("path", str(target), f"{target}: {megabytes(size)}")
    output.fact("size_bytes", size)


if __name__ == "__main__":
    run(command)
