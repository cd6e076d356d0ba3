"""Removing a whole checkpoint, in chunks or not."""

from pathlib import Path

from checkpoints.forms import layout_asked_for, parts_of_chunks
from checkpoints.journal import locked, recover, remove
from checkpoints.layout import layout_of
from chunkport.errors import UsageError


def remove_checkpoint(path: Path | str) -> None:
    """Remove every file of the checkpoint at `path`; do nothing if there is none.

    Where both m.pth and m.safetensors are there, only the one that is named goes, with the chunks
    that are its own. Killed in the middle of it, the rest goes when the checkpoint is next saved,
    loaded or looked for: nobody takes what is left for a damaged checkpoint.

    Raises:
        BadInputError: the journal of an interrupted save is damaged.
        UsageError: the folder is not writable.
    """
    layout = layout_of(path)
    if not layout.folder.is_dir():
        return
    try:
        with locked(layout.folder, exclusive=True):
            recover(layout)
            layout = layout_asked_for(layout, path)
            there = layout.main.is_file() or layout.main.is_symlink()
            remove(layout, [*([layout.main] if there else []), *parts_of_chunks(layout)])
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(
            f"{layout.main}: cannot be removed ({reason}); make it writable"
        ) from error
