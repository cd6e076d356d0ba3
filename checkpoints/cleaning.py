"""Removing a chunked checkpoint."""

from contextlib import suppress
from pathlib import Path

from checkpoints.forms import (
    is_placeholder,
    layout_asked_for,
    owner_of_chunks,
    parts_of_chunks,
    refuse_missing,
)
from checkpoints.journal import complete, doomed, locked, remove
from checkpoints.layout import Layout, layout_of
from chunkport.errors import BadInputError, UsageError


def clean_chunks(path: Path | str) -> tuple[Path, ...]:
    """Remove every file of the chunked checkpoint at `path`, and return which.

    Chunks, manifest, index, placeholder, journal and staged files go; a file that holds a whole
    model stays, and so do an index of another tool, everything of other names, and chunks of m.pth
    where m.safetensors is named, or the other way round. Killed in the middle of it, the rest goes
    when the checkpoint is next cleaned, saved, loaded or looked for.

    Raises:
        BadInputError: there is no such folder.
        UsageError: the folder is not writable.
    """
    layout = layout_of(path)
    if not layout.folder.is_dir():
        raise refuse_missing(layout.main)
    try:
        with locked(layout.folder, exclusive=True):
            begun: list[Path] = []
            with suppress(BadInputError):  # a damaged journal or mark goes with the rest
                names = sorted(doomed(layout))
                begun = [file for name in names if (file := layout.folder / name).is_file()]
                complete(layout)
            found = _files_in_chunks(layout_asked_for(layout, path))
            remove(layout, found)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(
            f"{layout.folder}: cannot be cleaned ({reason}); make it writable"
        ) from error
    return (*begun, *found)


def chunks_to_clean(path: Path | str) -> tuple[Path, ...]:
    """What `clean_chunks` would remove now.

    Raises:
        BadInputError: there is no such folder.
    """
    layout = layout_of(path)
    if not layout.folder.is_dir():
        raise refuse_missing(layout.main)
    with locked(layout.folder, exclusive=False):
        return _files_in_chunks(layout_asked_for(layout, path))


def _files_in_chunks(layout: Layout) -> tuple[Path, ...]:
    """Every file of the checkpoint, if it is in chunks, and what interrupted saves left of it."""
    if owner_of_chunks(layout) not in (None, layout.main.suffix):
        return ()
    placeholder = [layout.main] if is_placeholder(layout.main) else []
    journal = [layout.journal] if layout.journal.is_file() else []
    return (*placeholder, *parts_of_chunks(layout), *journal, *layout.staged_files())
