"""Saving a checkpoint whose tensors are not in memory. Needs no torch."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from checkpoints.archive_writing import TensorSource, write_members
from checkpoints.checked_file import new_file
from checkpoints.contents import ArchiveContents
from checkpoints.layout import Container, layout_to_write
from checkpoints.nodes import TAG, Json, Leaves, encode, refusal
from checkpoints.nodes import Path as Keys
from checkpoints.safetensors_writing import safetensors_contents
from checkpoints.saving import SavedCheckpoint, announce_on_stderr, cap_in_bytes, save


def save_streamed(
    contents: Mapping[str, Any],
    path: Path | str,
    max_chunk_mb: float | None = None,
    *,
    container: Container | None = None,
    announce: Callable[[str], None] = announce_on_stderr,
) -> SavedCheckpoint:
    """Save nested containers with a `TensorSource` for each tensor, in constant memory.

    What is written, and what is promised about crashes, is as with `save_model_chunked`; without a
    `max_chunk_mb` (MiB) one file of the container that its name ends in holds all. A source that
    occurs twice is written once.

    Raises:
        UsageError: a value that is not stored, a name, cap or folder that cannot serve, or a full
            disk.
        BadInputError: a source whose bytes are damaged, or the journal of an interrupted save is.
    """
    layout, kind = layout_to_write(path, container)
    cap_bytes = None if max_chunk_mb is None else cap_in_bytes(max_chunk_mb)
    leaves = Leaves[TensorSource]()

    def special(value: Any, keys: Keys) -> Json:
        if not isinstance(value, TensorSource):
            raise refusal(keys, f"a value of type {type(value).__qualname__}")
        number = leaves.number(value, value.dtype, value.shape, value, keys)
        return {TAG: "tensor", "index": number}

    tree = encode(contents, special)
    if kind == "safetensors":
        return save(safetensors_contents(tree, leaves.found, {}), layout, cap_bytes, announce)

    def write_all(target: Path) -> int:
        with new_file(target, sums=False) as file:
            write_members(dict(contents), file)
        return file.size_bytes

    archive = ArchiveContents(tree, leaves.found, {}, write_all)
    return save(archive, layout, cap_bytes, announce)
