"""Saving a checkpoint: one file below the cap, chunks above it."""

import math
import os
import secrets
import sys
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from errno import EDQUOT, ENOSPC
from pathlib import Path
from platform import python_version
from typing import IO, Any

import torch

from checkpoints.archive import records
from checkpoints.journal import Commit, commit, locked, recover
from checkpoints.layout import Layout, layout_to_write
from checkpoints.manifest import ITEM_SIZES, MIB, Chunk, Manifest, Piece, StoredTensor, to_text
from checkpoints.memory import compact
from checkpoints.placeholder import Placeholder, placeholder_contents
from checkpoints.plan import Item, PlannedChunk, Slice, plan_chunks
from checkpoints.restoring import restore
from checkpoints.nodes import Json, Leaf
from checkpoints.tree import flatten
from chunkport import __version__
from chunkport.errors import UsageError
from chunkport.files import make_folder

DEFAULT_CHUNK_MB = 90.0
MIN_CHUNK_MB = 0.0625
UNGROUPED = "top_level_tensors"
"""Name of the state dict that collects the tensors which are in no dictionary of their own."""


@dataclass(frozen=True)
class SavedCheckpoint:
    """What a save left on disk.

    Attributes:
        path: the .pth that was asked for; a placeholder when chunked.
        chunk_files: the chunks by number; empty when one file holds all.
        manifest: the manifest, None when not chunked.
        total_bytes: of all files together.
        largest_bytes: of the largest file.
        save_id: names this save.
    """

    path: Path
    chunk_files: tuple[Path, ...]
    manifest: Path | None
    total_bytes: int
    largest_bytes: int
    save_id: str


def announce_on_stderr(message: str) -> None:
    """Print one line of progress to stderr."""
    print(message, file=sys.stderr)  # noqa: T201  # stderr is where progress goes


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
    cap_bytes = _cap_bytes(max_chunk_mb)
    tree, leaves = flatten(model_data)
    make_folder(layout.folder)
    save_id = secrets.token_hex(8)
    try:
        with locked(layout.folder, exclusive=True):
            recover(layout)
            try:
                chunks = _stage(
                    layout, save_id, tree, leaves, cap_bytes=cap_bytes, announce=announce
                )
                sizes = _staged_sizes(layout, save_id)
                assert max(sizes.values()) <= cap_bytes, f"a file above the cap: {sizes}"
                commit(layout, Commit(save_id, len(chunks)))
            finally:
                recover(layout)  # after a failure: removes what was staged
    except OSError as error:
        raise _write_error(layout, error) from error
    if chunks:
        largest = max(chunk.size_bytes for chunk in chunks) / MIB
        announce(f"[CHUNKED] Saved {len(chunks)} chunks (max {largest:.1f}MB)")
    return SavedCheckpoint(
        path=layout.main,
        chunk_files=tuple(layout.folder / chunk.filename for chunk in chunks),
        manifest=layout.manifest if chunks else None,
        total_bytes=sum(sizes.values()),
        largest_bytes=max(sizes.values()),
        save_id=save_id,
    )


def _cap_bytes(max_chunk_mb: float) -> int:
    if not math.isfinite(max_chunk_mb) or max_chunk_mb < MIN_CHUNK_MB:
        raise UsageError(
            f"max_chunk_mb: {max_chunk_mb} is too small for a chunk; give at least {MIN_CHUNK_MB}"
        )
    return int(max_chunk_mb * MIB)


def _stage(
    layout: Layout,
    save_id: str,
    tree: Json,
    leaves: Sequence[Leaf[torch.Tensor]],
    *,
    cap_bytes: int,
    announce: Callable[[str], None],
) -> tuple[Chunk, ...]:
    """Write all files under their staged names; the chunks written, none for a single file."""
    size_bytes = sum(leaf.tensor.nbytes for leaf in leaves)
    if size_bytes <= cap_bytes:
        whole = layout.staged(layout.main_name, save_id)
        tensors = [
            compact(leaf.tensor, 0, leaf.tensor.numel()).reshape(leaf.tensor.shape)
            for leaf in leaves
        ]
        size_bytes, _ = _write_archive(restore(tree, tensors, portable=True), whole)
        if size_bytes <= cap_bytes:
            return ()
        whole.unlink()
    announce(
        f"[CHUNKING] Model size {size_bytes / MIB:.1f}MB exceeds {cap_bytes / MIB:g}MB, "
        "splitting..."
    )
    return _stage_chunks(layout, save_id, tree, leaves, cap_bytes)


def _stage_chunks(
    layout: Layout, save_id: str, tree: Json, leaves: Sequence[Leaf[torch.Tensor]], cap_bytes: int
) -> tuple[Chunk, ...]:
    items = [
        Item(
            group=leaf.group,
            name_bytes=len(leaf.name.encode("utf-8", "surrogatepass")),
            shape=tuple(leaf.tensor.shape),
            item_size=ITEM_SIZES[leaf.dtype_name],
        )
        for leaf in leaves
    ]
    chunks: list[Chunk] = []
    pieces: dict[int, list[Piece]] = {}
    for chunk_id, planned in enumerate(plan_chunks(items, cap_bytes)):
        name = layout.chunk_name(chunk_id)
        target = layout.staged(name, save_id)
        size_bytes, crc32 = _write_archive(_chunk_contents(leaves, planned), target)
        chunks.append(Chunk(name, size_bytes, crc32, planned.group or UNGROUPED))
        members = records(target)
        for number, part in enumerate(planned.slices):
            record = members[f"data/{number}"]  # torch numbers storages as it meets them
            piece = Piece(chunk_id, part.start, part.stop, record.offset, record.crc32)
            pieces.setdefault(part.index, []).append(piece)
    stored = (
        StoredTensor(
            path=leaf.name,
            dtype=leaf.dtype_name,
            shape=tuple(leaf.tensor.shape),
            pieces=tuple(sorted(pieces.get(index, ()), key=lambda piece: piece.start)),
        )
        for index, leaf in enumerate(leaves)
    )
    manifest = Manifest(
        save_id=save_id,
        cap_bytes=cap_bytes,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        tools={"chunkport": __version__, "torch": torch.__version__, "python": python_version()},
        chunks=tuple(chunks),
        tensors=tuple(stored),
        tree=tree,
    )
    _write_manifest(layout, manifest)
    placeholder = placeholder_contents(Placeholder(layout.manifest_name, save_id))
    _write_archive(placeholder, layout.staged(layout.main_name, save_id))
    return tuple(chunks)


def _write_manifest(layout: Layout, manifest: Manifest) -> None:
    text = to_text(manifest).encode("ascii")
    if len(text) > manifest.cap_bytes:
        raise UsageError(
            f"{layout.manifest}: would take {len(text) / MIB:.2f}MB, more than the cap of "
            f"{manifest.cap_bytes / MIB:g}MB; raise max_chunk_mb, or turn long lists into tensors"
        )
    with layout.staged(layout.manifest_name, manifest.save_id).open("xb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _chunk_contents(leaves: Sequence[Leaf[torch.Tensor]], planned: PlannedChunk) -> dict[str, torch.Tensor]:
    """The chunk's dictionary, in the order of the plan; a split tensor gives its piece."""
    contents: dict[str, torch.Tensor] = {}
    memory: set[int] = set()
    for part in planned.slices:
        leaf = leaves[part.index]
        assert leaf.name not in contents, f"two pieces of {leaf.name} in one chunk"
        piece = _shaped(leaf.tensor, part)
        if piece.data_ptr() in memory:  # torch.save writes memory once, and under one dtype
            piece = piece.clone()
        memory.add(piece.data_ptr())
        contents[leaf.name] = piece
    return contents


def _shaped(tensor: torch.Tensor, part: Slice) -> torch.Tensor:
    """The slice as rows of the tensor if it is whole rows, else flat."""
    piece = compact(tensor, part.start, part.stop)
    if tensor.dim() == 0:
        return piece.reshape(())
    row = math.prod(tensor.shape[1:])
    by_rows = part.start % row == 0 and part.stop % row == 0
    return piece.reshape(-1, *tensor.shape[1:]) if by_rows else piece


class _CheckedFile:
    """Passes bytes on to a file, and keeps their CRC-32, their number and what went wrong."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.crc32 = 0
        self.size_bytes = 0
        self.failure: OSError | None = None

    def write(self, data: bytes) -> int:
        self.crc32 = zlib.crc32(data, self.crc32)
        self.size_bytes += len(data)
        try:
            return self._file.write(data)
        except OSError as error:
            self.failure = error
            raise

    def flush(self) -> None:
        self._file.flush()


def _write_archive(contents: Any, target: Path) -> tuple[int, int]:
    """torch.save into a new file, synced; its size in bytes and CRC-32."""
    with target.open("xb") as file:
        checked = _CheckedFile(file)
        try:
            torch.save(contents, checked)  # type: ignore[arg-type]  # it only writes and flushes
        except RuntimeError as error:
            if checked.failure is None:
                raise
            raise checked.failure from error  # which torch's own error hides
        file.flush()
        os.fsync(file.fileno())
    return checked.size_bytes, checked.crc32


def _staged_sizes(layout: Layout, save_id: str) -> dict[str, int]:
    return {
        staged.name: staged.stat().st_size
        for staged in layout.staged_files()
        if f".{save_id}." in staged.name
    }


def _write_error(layout: Layout, error: OSError) -> UsageError:
    reason = error.strerror or str(error)
    remedy = "free some space" if error.errno in (ENOSPC, EDQUOT) else "choose another folder"
    return UsageError(f"{layout.main}: cannot be written ({reason}); {remedy} and save again")
