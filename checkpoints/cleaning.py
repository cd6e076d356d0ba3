"""Removing a chunked checkpoint."""

from dataclasses import replace
from pathlib import Path

from checkpoints.forms import owner_of_chunks, refuse_missing
from checkpoints.journal import locked
from checkpoints.layout import Layout, layout_of
from checkpoints.placeholder import read_placeholder
from checkpoints.shard_index import is_of_a_save
from chunkport.errors import UsageError
from chunkport.files import sync_folder


def clean_chunks(path: Path | str) -> tuple[Path, ...]:
    """Remove every file of the chunked checkpoint at `path`, and return which.

    Chunks, manifest, index, placeholder, journal and staged files go; a file that holds a whole
    model stays, and so do an index of another tool, everything of other names, and chunks of m.pth
    where m.safetensors is named, or the other way round.

    Raises:
        BadInputError: there is no such folder.
        UsageError: the folder is not writable.
    """
    layout = layout_of(path)
    if not layout.folder.is_dir():
        raise refuse_missing(layout.main)
    try:
        with locked(layout.folder, exclusive=True):
            doomed = _doomed(layout, Path(path).name)
            for file in doomed:
                file.unlink()
            sync_folder(layout.folder)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(
            f"{layout.folder}: cannot be cleaned ({reason}); make it writable"
        ) from error
    return doomed


def chunks_to_clean(path: Path | str) -> tuple[Path, ...]:
    """What `clean_chunks` would remove now.

    Raises:
        BadInputError: there is no such folder.
    """
    layout = layout_of(path)
    if not layout.folder.is_dir():
        raise refuse_missing(layout.main)
    with locked(layout.folder, exclusive=False):
        return _doomed(layout, Path(path).name)


def _doomed(layout: Layout, asked: str) -> tuple[Path, ...]:
    """Every file of the chunked checkpoint that was asked for by this name."""
    owner = owner_of_chunks(layout)
    if owner and asked in (layout.manifest_name, layout.index_name):
        layout = replace(layout, main_name=layout.stem + owner)
    if owner not in (None, layout.main.suffix):
        return ()
    doomed: list[Path] = []
    if layout.main.is_file() and read_placeholder(layout.main) is not None:
        doomed.append(layout.main)
    doomed += (p for p in (layout.manifest, layout.journal) if p.is_file())
    if is_of_a_save(layout.index):
        doomed.append(layout.index)
    return (*doomed, *layout.chunk_files(), *layout.staged_files())
