"""Saving a checkpoint that is in memory."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from checkpoints.archive_writing import TensorSource
from checkpoints.checked_file import new_file
from checkpoints.contents import ArchiveContents
from checkpoints.layout import Container, layout_to_write
from checkpoints.memory import bytes_of, compact
from checkpoints.nodes import Json, Leaf
from checkpoints.restoring import restore
from checkpoints.safetensors_writing import safetensors_contents
from checkpoints.saving import (
    DEFAULT_CHUNK_MB,
    SavedCheckpoint,
    announce_on_stderr,
    cap_in_bytes,
    save,
)
from checkpoints.streaming import BLOCK
from checkpoints.tree import flatten


def save_model_chunked(
    model_data: Mapping[str, Any],
    path: Path | str,
    max_chunk_mb: float = DEFAULT_CHUNK_MB,
    *,
    container: Container | None = None,
    announce: Callable[[str], None] = announce_on_stderr,
) -> SavedCheckpoint:
    """Save everything in `model_data` under `path`, with no file larger than `max_chunk_mb` MiB.

    The tensors go into files of `container`, "pth" or "safetensors"; None goes by the name's
    ending. If one such file is at most as large as the cap, it is the checkpoint, and torch.load or
    safetensors.torch.load_file read it. Otherwise there are chunks and a manifest:

    - a .pth becomes a small placeholder. With the container "safetensors" it always does, however
      small the model, and no weight is in a pickle;
    - a .safetensors is not there, as loaders of others expect, but its index is.

    The save happens whole or not at all: until its last step the previous checkpoint stays and
    loads.

    Raises:
        UsageError: a value that is not stored (nothing is written), a name, container, cap or
            folder that cannot serve, or a full disk (the previous checkpoint is untouched).
        BadInputError: the journal of an earlier, interrupted save is damaged.
    """
    layout, kind = layout_to_write(path, container)
    cap_bytes = cap_in_bytes(max_chunk_mb)
    tree, leaves = flatten(model_data)
    sources = [_source(leaf) for leaf in leaves]
    tools = {"torch": torch.__version__}
    if kind == "safetensors":
        return save(safetensors_contents(tree, sources, tools), layout, cap_bytes, announce)

    def write_all(target: Path) -> int:
        return _write_by_torch(tree, leaves, target)

    return save(ArchiveContents(tree, sources, tools, write_all), layout, cap_bytes, announce)


def _source(leaf: Leaf[torch.Tensor]) -> Leaf[TensorSource]:
    def blocks(first: int, last: int) -> Iterator[memoryview]:
        flat = compact(leaf.tensor, first, last)
        data = memoryview(bytes_of(flat, 0, len(flat)).data)
        for start in range(0, len(data), BLOCK):
            yield data[start : start + BLOCK]

    source = TensorSource(leaf.dtype_name, leaf.shape, blocks)
    return Leaf(leaf.name, leaf.group, leaf.dtype_name, leaf.shape, source)


def _write_by_torch(tree: Json, leaves: Sequence[Leaf[torch.Tensor]], target: Path) -> int:
    """torch.save everything into a new file; its size in bytes."""
    tensors = [compact(leaf.tensor, 0, leaf.tensor.numel()).reshape(leaf.shape) for leaf in leaves]
    contents = restore(tree, tensors, portable=True)
    with new_file(target, sums=False) as file:
        try:
            torch.save(contents, file)  # type: ignore[arg-type]  # it only writes and flushes
        except RuntimeError as error:
            if file.failure is None:
                raise
            raise file.failure from error  # which torch's own error hides
    return file.size_bytes
