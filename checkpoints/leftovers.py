"""What interrupted saves and conversions left behind, and chunks that no checkpoint has."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from checkpoints.forms import find_form
from checkpoints.journal import committed, locked, recover
from checkpoints.layout import Layout, layout_of
from checkpoints.splitting import SPLITTING, staging_folder
from checkpoints.survey import find_checkpoints
from chunkport.errors import BadInputError, UsageError
from chunkport.files import sync_folder


def clean_left_overs(place: Path, *, dry_run: bool = False) -> tuple[Path, ...]:
    """Remove what is of no use to the checkpoint at `place`, or to any in the folder `place`.

    That is: files of saves and conversions that were never finished, and chunks that a readable
    manifest does not name, or that lie beside a whole checkpoint. A save that was committed is
    finished instead. Chunks whose manifest is missing or damaged stay: they may be all there is.
    Waits for a save that is under way. With `dry_run`, only finds them.

    Raises:
        BadInputError: there is no such checkpoint or folder, or a journal is damaged.
        UsageError: the folder is not writable.
    """
    folder = place if place.is_dir() else place.parent
    layouts = _layouts_in(place) if place.is_dir() else [layout_of(find_checkpoints(place)[0])]
    try:
        with locked(folder, exclusive=True):
            doomed = dict.fromkeys(path for layout in layouts for path in _left_over(layout))
            if dry_run:
                return tuple(doomed)
            for path in doomed:
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()
            for layout in layouts:
                recover(layout)
            sync_folder(folder)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"{folder}: cannot be cleaned ({reason}); make it writable") from error
    return tuple(doomed)


def _layouts_in(folder: Path) -> list[Layout]:
    found = list(find_checkpoints(folder, below=False))
    found += [
        folder / path.name.removeprefix(".").removesuffix(SPLITTING)
        for path in sorted(folder.glob(f".*{SPLITTING}"))
    ]
    return list(dict.fromkeys(map(layout_of, found)))


def _left_over(layout: Layout) -> Iterator[Path]:
    if staging_folder(layout).is_dir():
        yield staging_folder(layout)
    if committed(layout) is not None:  # what is staged is the checkpoint
        return
    yield from layout.staged_files()
    try:
        found = find_form(layout, layout.main)
    except BadInputError:
        return
    if found.manifest is None and layout.manifest.exists():  # of another, m.pth or m.safetensors
        return
    yield from (path for path in layout.chunk_files() if path.name not in found.chunk_names)
