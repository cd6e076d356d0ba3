"""How any checkpoint is saved: one file below the cap, chunks above it, whole or not at all."""

import math
import os
import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from errno import EDQUOT, ENOSPC
from pathlib import Path
from platform import python_version
from typing import Any

from checkpoints.archive_writing import write_archive
from checkpoints.contents import Contents, WrittenChunk
from checkpoints.forms import owner_of_chunks
from checkpoints.journal import Commit, commit, locked, recover
from checkpoints.layout import SUFFIXES, Layout
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
from checkpoints.nodes import Leaf
from checkpoints.placeholder import Placeholder, placeholder_contents
from checkpoints.plan import Item, PlannedChunk, plan_chunks
from checkpoints.shard_index import index_text
from checkpoints.side_by_side import side_by_side
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
        path: what was asked for; when chunked, a placeholder if it is a .pth, else not there.
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


def save(
    contents: Contents,
    layout: Layout,
    cap_bytes: int | None,
    announce: Callable[[str], None],
) -> SavedCheckpoint:
    """Write `contents` as the checkpoint of `layout`, in files of at most `cap_bytes`, if given.

    Raises:
        UsageError: the chunks of a checkpoint of the same name but another ending, a folder that
            cannot serve, or a full disk (the previous checkpoint stays).
        BadInputError: the journal of an earlier, interrupted save is damaged.
    """
    make_folder(layout.folder)
    save_id = secrets.token_hex(8)
    try:
        with locked(layout.folder, exclusive=True):
            recover(layout)
            _refuse_to_mix(layout)
            try:
                chunks = _stage(layout, save_id, contents, cap_bytes, announce)
                sizes = _staged_sizes(layout, save_id)
                assert cap_bytes is None or max(sizes.values()) <= cap_bytes, f"too large: {sizes}"
                suffix = layout.main.suffix
                commit(layout, Commit(save_id, len(chunks), contents.container, suffix))
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
    items = [_item(contents, leaf) for leaf in contents.leaves]
    size_bytes = sum(item.elements * item.item_size for item in items)
    holds_all = layout.main.suffix == SUFFIXES[contents.container]
    if holds_all and (cap_bytes is None or size_bytes <= cap_bytes):
        whole = layout.staged(layout.main_name, save_id)
        size_bytes = contents.write_whole(whole)
        if cap_bytes is None or size_bytes <= cap_bytes:
            return ()
        whole.unlink()
    if cap_bytes is None:
        raise UsageError(
            f"{layout.main}: a .pth stands for {contents.container} in chunks only; give a cap, "
            f"or a name that ends in {SUFFIXES[contents.container]}"
        )
    if size_bytes > cap_bytes:
        announce(
            f"[CHUNKING] Model size {size_bytes / MIB:.1f}MB exceeds {cap_bytes / MIB:g}MB, "
            "splitting..."
        )
    # a checkpoint without tensors is one chunk too, so that it is told from a whole file
    cuttable = contents.container == "pth"  # other loaders want whole tensors
    plan = plan_chunks(items, cap_bytes, fill_gaps=cuttable) or (PlannedChunk("", ()),)
    return _stage_chunks(layout, save_id, contents, cap_bytes, plan)


def _stage_chunks(
    layout: Layout,
    save_id: str,
    contents: Contents,
    cap_bytes: int,
    plan: tuple[PlannedChunk, ...],
) -> tuple[Chunk, ...]:
    chunks: list[Chunk] = []
    pieces: dict[int, list[Piece]] = {}
    names = [layout.chunk_name(chunk_id, contents.container) for chunk_id in range(len(plan))]

    def write(chunk_id: int) -> WrittenChunk:
        target = layout.staged(names[chunk_id], save_id)
        return contents.write_chunk(plan[chunk_id], target, save_id)

    files = side_by_side(write, range(len(plan)), lambda chunk_id: plan[chunk_id].elements)
    for chunk_id, (name, planned, written) in enumerate(zip(names, plan, files, strict=True)):
        group = planned.group or UNGROUPED
        chunks.append(Chunk(name, written.size_bytes, written.crc32, group))
        for part, span in zip(planned.slices, written.spans, strict=True):
            piece = Piece(chunk_id, part.start, part.stop, span.offset, span.crc32)
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
        main_suffix=layout.main.suffix,
        container=contents.container,
    )
    _write_text(layout, layout.manifest_name, to_text(manifest), manifest)
    if contents.container == "safetensors":
        _write_text(layout, layout.index_name, index_text(manifest), manifest)
    if layout.main.suffix == SUFFIXES["pth"]:
        placeholder = placeholder_contents(Placeholder(layout.manifest_name, save_id))
        write_archive(placeholder, layout.staged(layout.main_name, save_id))
    return tuple(chunks)


def _item(contents: Contents, leaf: Leaf[Any]) -> Item:
    name_bytes = contents.name_bytes(leaf.name)
    return Item(leaf.group, name_bytes, leaf.shape, ITEM_SIZES[leaf.dtype_name])


def _write_text(layout: Layout, name: str, text: str, manifest: Manifest) -> None:
    content = text.encode("ascii")
    limit = min(manifest.cap_bytes, MAX_MANIFEST_BYTES)
    if len(content) > limit:
        raise UsageError(
            f"{layout.folder / name}: would take {len(content) / MIB:.2f}MB, more than the cap of "
            f"{limit / MIB:g}MB; raise max_chunk_mb, or turn long lists into tensors"
        )
    with layout.staged(name, manifest.save_id).open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _refuse_to_mix(layout: Layout) -> None:
    """m.pth and m.safetensors would have their chunks in common, so only one of them has any."""
    owner = owner_of_chunks(layout)
    if owner not in (None, layout.main.suffix):
        raise UsageError(
            f"{layout.main}: the chunks beside it are of {layout.stem}{owner}; choose another "
            "name, or remove them with clean_chunks"
        )


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
