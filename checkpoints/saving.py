"""How any checkpoint is saved: one file below the cap, chunks above it, whole or not at all."""

import math
import os
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from errno import EDQUOT, ENOSPC
from pathlib import Path
from platform import python_version
from typing import Any, Protocol

from checkpoints.archive import records
from checkpoints.archive_writing import write_archive
from checkpoints.journal import Commit, commit, locked, recover
from checkpoints.layout import Layout
from checkpoints.manifest import (
    ITEM_SIZES,
    MAX_MANIFEST_BYTES,
    MIB,
    Chunk,
    Manifest,
    Piece,
    StoredTensor,
    to_text,
)
from checkpoints.nodes import Json, Leaf
from checkpoints.placeholder import Placeholder, placeholder_contents
from checkpoints.plan import Item, PlannedChunk, plan_chunks
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


class Contents(Protocol):
    """What is to be saved, and how its files are written."""

    @property
    def tree(self) -> Json:
        """All but the tensors."""

    @property
    def leaves(self) -> Sequence[Leaf[Any]]:
        """The tensors."""

    @property
    def tools(self) -> Mapping[str, str]:
        """Versions of what writes the files."""

    def write_whole(self, target: Path) -> int:
        """Write everything into one new file; its size in bytes."""

    def write_chunk(self, planned: PlannedChunk, target: Path) -> tuple[int, int]:
        """Write the chunk as a new file; its size in bytes and CRC-32."""


def announce_on_stderr(message: str) -> None:
    """Print one line of progress to stderr."""
    print(message, file=sys.stderr)  # noqa: T201  # stderr is where progress goes


def save(
    contents: Contents,
    layout: Layout,
    cap_bytes: int | None,
    announce: Callable[[str], None],
) -> SavedCheckpoint:
    """Write `contents` as the checkpoint of `layout`, in files of at most `cap_bytes`, if given.

    Raises:
        UsageError: a folder that cannot serve, or a full disk (the previous checkpoint stays).
        BadInputError: the journal of an earlier, interrupted save is damaged.
    """
    make_folder(layout.folder)
    save_id = secrets.token_hex(8)
    try:
        with locked(layout.folder, exclusive=True):
            recover(layout)
            try:
                chunks = _stage(layout, save_id, contents, cap_bytes, announce)
                sizes = _staged_sizes(layout, save_id)
                assert cap_bytes is None or max(sizes.values()) <= cap_bytes, f"too large: {sizes}"
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


def cap_in_bytes(max_chunk_mb: float) -> int:
    """The cap that a user gives, in MiB, as bytes.

    Raises:
        UsageError: too small for a chunk.
    """
    if not math.isfinite(max_chunk_mb) or max_chunk_mb < MIN_CHUNK_MB:
        raise UsageError(
            f"max_chunk_mb: {max_chunk_mb} is too small for a chunk; give at least {MIN_CHUNK_MB}"
        )
    return int(max_chunk_mb * MIB)


def _stage(
    layout: Layout,
    save_id: str,
    contents: Contents,
    cap_bytes: int | None,
    announce: Callable[[str], None],
) -> tuple[Chunk, ...]:
    """Write all files under their staged names; the chunks written, none for a single file."""
    size_bytes = sum(_item(leaf).elements * _item(leaf).item_size for leaf in contents.leaves)
    if cap_bytes is None or size_bytes <= cap_bytes:
        whole = layout.staged(layout.main_name, save_id)
        size_bytes = contents.write_whole(whole)
        if cap_bytes is None or size_bytes <= cap_bytes:
            return ()
        whole.unlink()
    announce(
        f"[CHUNKING] Model size {size_bytes / MIB:.1f}MB exceeds {cap_bytes / MIB:g}MB, "
        "splitting..."
    )
    return _stage_chunks(layout, save_id, contents, cap_bytes)


def _stage_chunks(
    layout: Layout, save_id: str, contents: Contents, cap_bytes: int
) -> tuple[Chunk, ...]:
    chunks: list[Chunk] = []
    pieces: dict[int, list[Piece]] = {}
    plan = plan_chunks([_item(leaf) for leaf in contents.leaves], cap_bytes)
    for chunk_id, planned in enumerate(plan):
        name = layout.chunk_name(chunk_id)
        target = layout.staged(name, save_id)
        size_bytes, crc32 = contents.write_chunk(planned, target)
        chunks.append(Chunk(name, size_bytes, crc32, planned.group or UNGROUPED))
        members = records(target)
        for number, part in enumerate(planned.slices):
            record = members[f"data/{number}"]  # storages are numbered as they are met
            piece = Piece(chunk_id, part.start, part.stop, record.offset, record.crc32)
            pieces.setdefault(part.index, []).append(piece)
    stored = (
        StoredTensor(
            path=leaf.name,
            dtype=leaf.dtype_name,
            shape=leaf.shape,
            pieces=tuple(sorted(pieces.get(index, ()), key=lambda piece: piece.start)),
        )
        for index, leaf in enumerate(contents.leaves)
    )
    manifest = Manifest(
        save_id=save_id,
        cap_bytes=cap_bytes,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        tools={"chunkport": __version__, **contents.tools, "python": python_version()},
        chunks=tuple(chunks),
        tensors=tuple(stored),
        tree=contents.tree,
    )
    _write_manifest(layout, manifest)
    placeholder = placeholder_contents(Placeholder(layout.manifest_name, save_id))
    write_archive(placeholder, layout.staged(layout.main_name, save_id))
    return tuple(chunks)


def _item(leaf: Leaf[Any]) -> Item:
    name_bytes = len(leaf.name.encode("utf-8", "surrogatepass"))
    return Item(leaf.group, name_bytes, leaf.shape, ITEM_SIZES[leaf.dtype_name])


def _write_manifest(layout: Layout, manifest: Manifest) -> None:
    text = to_text(manifest).encode("ascii")
    limit = min(manifest.cap_bytes, MAX_MANIFEST_BYTES)
    if len(text) > limit:
        raise UsageError(
            f"{layout.manifest}: would take {len(text) / MIB:.2f}MB, more than the cap of "
            f"{limit / MIB:g}MB; raise max_chunk_mb, or turn long lists into tensors"
        )
    with layout.staged(layout.manifest_name, manifest.save_id).open("xb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


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
