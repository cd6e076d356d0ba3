"""Saving a checkpoint that is in memory."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from checkpoints.checked_file import new_file
from checkpoints.layout import layout_to_write
from checkpoints.memory import compact
from checkpoints.nodes import Json, Leaf
from checkpoints.plan import PlannedChunk, Slice
from checkpoints.restoring import restore
from checkpoints.saving import (
    DEFAULT_CHUNK_MB,
    SavedCheckpoint,
    announce_on_stderr,
    cap_in_bytes,
    save,
)
from checkpoints.tree import flatten


def save_model_chunked(
    model_data: Mapping[str, Any],
    path: Path | str,
    max_chunk_mb: float = DEFAULT_CHUNK_MB,
    *,
    announce: Callable[[str], None] = announce_on_stderr,
) -> SavedCheckpoint:
    """Save everything in `model_data` under `path`, with no file larger than `max_chunk_mb` MiB.

    If torch.save's one file is at most that large it is the checkpoint, and torch.load reads it.
    Otherwise `path` becomes a small placeholder beside a manifest and chunks. The save happens
    whole or not at all: until its last step the previous checkpoint stays and loads.

    Raises:
        UsageError: a value that is not stored (nothing is written), a name, cap or folder that
            cannot serve, or a full disk (the previous checkpoint is untouched).
        BadInputError: the journal of an earlier, interrupted save is damaged.
    """
    layout = layout_to_write(path)
    cap_bytes = cap_in_bytes(max_chunk_mb)
    return save(_InMemory(*flatten(model_data)), layout, cap_bytes, announce)


@dataclass(frozen=True)
class _InMemory:
    """A checkpoint taken apart, whose files torch writes."""

    tree: Json
    leaves: Sequence[Leaf[torch.Tensor]]

    @property
    def tools(self) -> Mapping[str, str]:
        return {"torch": torch.__version__}

    def write_whole(self, target: Path) -> int:
        tensors = [
            compact(leaf.tensor, 0, leaf.tensor.numel()).reshape(leaf.shape) for leaf in self.leaves
        ]
        size_bytes, _ = _write_archive(restore(self.tree, tensors, portable=True), target)
        return size_bytes

    def write_chunk(self, planned: PlannedChunk, target: Path) -> tuple[int, int]:
        """The chunk's dictionary, in the order of the plan; a split tensor gives its piece."""
        contents: dict[str, torch.Tensor] = {}
        memory: set[int] = set()
        for part in planned.slices:
            leaf = self.leaves[part.index]
            assert leaf.name not in contents, f"two pieces of {leaf.name} in one chunk"
            piece = _shaped(leaf.tensor, part)
            if piece.data_ptr() in memory:  # torch.save writes memory once, and under one dtype
                piece = piece.clone()
            memory.add(piece.data_ptr())
            contents[leaf.name] = piece
        return _write_archive(contents, target)


def _shaped(tensor: torch.Tensor, part: Slice) -> torch.Tensor:
    return compact(tensor, part.start, part.stop).reshape(part.shape_of(tuple(tensor.shape)))


def _write_archive(contents: Any, target: Path) -> tuple[int, int]:
    """torch.save into a new file; its size in bytes and CRC-32."""
    with new_file(target) as file:
        try:
            torch.save(contents, file)  # type: ignore[arg-type]  # it only writes and flushes
        except RuntimeError as error:
            if file.failure is None:
                raise
            raise file.failure from error  # which torch's own error hides
    return file.size_bytes, file.crc32
