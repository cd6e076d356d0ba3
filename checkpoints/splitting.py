"""Turning one large .pth into chunks, in its place."""

import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from stat import S_IMODE
from typing import Any

from checkpoints.catalog import list_files
from checkpoints.copying import OnBytes, first_difference, sources_in
from checkpoints.forms import owner_of_chunks
from checkpoints.journal import Commit, commit, locked, recover
from checkpoints.layout import Container, Layout, layout_to_write
from checkpoints.lazy import open_checkpoint
from checkpoints.saving import SavedCheckpoint
from checkpoints.streamed_writer import save_streamed
from checkpoints.torch_file import read_torch_file
from chunkport.errors import BadInputError, UsageError

SPLITTING = ".splitting"
"""How the name of the folder ends in which a file is being split."""


def split_in_place(
    path: Path,
    max_chunk_mb: float,
    *,
    container: Container | None = None,
    on_bytes: OnBytes = lambda _count: None,
    announce: Callable[[str], None] = lambda _message: None,
) -> SavedCheckpoint:
    """Put chunks of at most `max_chunk_mb` MiB in the place of the one .pth at `path`.

    The chunks are written into a hidden folder beside it and read back, every byte held against the
    old file's, before one journalled step exchanges them. A process that dies before that step
    leaves the old file, one that dies after it the chunks. Takes the file's size on disk once more,
    constant memory, and runs no code of the file. Parameters become plain tensors.

    `on_bytes` hears of each byte twice: when it is written and when it is compared.

    Raises:
        BadInputError: damaged, not what torch.save wrote, more than tensors and plain values, or
            changed by somebody meanwhile.
        UsageError: it holds values that are not stored in chunks, or the folder or disk refuses.
    """
    layout, kind = layout_to_write(path, container)
    staging = staging_folder(layout)
    try:
        with locked(layout.folder, exclusive=True):
            recover(layout)
            owner = owner_of_chunks(layout)
            if owner not in (None, layout.main.suffix):
                raise UsageError(
                    f"{path}: stays as it is, for {layout.stem}{owner} has chunks of these names; "
                    "move one of the two to another folder"
                )
            shutil.rmtree(staging, ignore_errors=True)  # of an earlier attempt that was killed
            try:
                save_copy = partial(
                    save_streamed,
                    path=staging / layout.main_name,
                    max_chunk_mb=max_chunk_mb,
                    container=kind,
                    announce=announce,
                )
                saved = _split(layout, save_copy, on_bytes)
                _exchange(layout, saved, kind)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"{path}: stays as it is ({reason}); make its folder writable") from error
    return SavedCheckpoint(
        path=layout.main,
        chunk_files=tuple(layout.folder / chunk.name for chunk in saved.chunk_files),
        manifest=layout.manifest if saved.manifest else None,
        total_bytes=saved.total_bytes,
        largest_bytes=saved.largest_bytes,
        save_id=saved.save_id,
    )


def staging_folder(layout: Layout) -> Path:
    """Where the chunks are made; it is there only meanwhile, or after a process died."""
    return layout.folder / f".{layout.main_name}{SPLITTING}"


def _split(
    layout: Layout, save_copy: Callable[[Mapping[str, Any]], SavedCheckpoint], on_bytes: OnBytes
) -> SavedCheckpoint:
    """Write the chunks elsewhere, and prove that they hold what the file holds."""
    before = _stamp(layout.main)
    contents = read_torch_file(layout.main)
    if not isinstance(contents, Mapping):
        raise BadInputError(
            f"{layout.main}: holds a {type(contents).__name__}, not a dictionary; save a state dict"
        )
    try:
        sources = sources_in(contents, on_bytes)
    except BadInputError as error:
        raise BadInputError(f"{layout.main}: stays as it is; {error}") from error
    try:
        saved = save_copy(sources)
    except UsageError as error:
        raise UsageError(f"{layout.main}: stays as it is; {error}") from error
    different = first_difference(contents, open_checkpoint(saved.path).contents, on_bytes)
    if _stamp(layout.main) != before:
        raise BadInputError(
            f"{layout.main}: was written by somebody else meanwhile, so it stays as it is; "
            "run this again when nobody writes it"
        )
    if different is not None:
        raise RuntimeError(f"{layout.main}: stays as it is; its chunks differ at {different}")
    return saved


def _exchange(layout: Layout, saved: SavedCheckpoint, container: Container) -> None:
    """Put the files of the staging folder in the place of the one file, readable by as many."""
    mode = S_IMODE(layout.main.stat().st_mode)
    for file in list_files(saved.path):
        file.chmod(mode)
        file.replace(layout.staged(file.name, saved.save_id))
    saved.path.parent.rmdir()
    commit(layout, Commit(saved.save_id, len(saved.chunk_files), container, layout.main.suffix))


def _stamp(file: Path) -> tuple[int, int, int]:
    """What changes when a file is written or replaced: its inode, size and time."""
    stat = file.stat()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns
