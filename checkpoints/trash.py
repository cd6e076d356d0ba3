"""Checkpoints on their way out of a folder: into a trash beside them, and back.

`.chunkport-trash/<time>/<checkpoint>/` holds one checkpoint's files and `entry.json`, which is
written before the first file is moved and names them all. Files that make a checkpoint findable go
first and come back last, so that at every instant it loads whole or is not there. A process that
dies meanwhile leaves the entry, and the next call finishes what it says.
"""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from checkpoints.journal import locked, recover
from checkpoints.layout import Layout, layout_of
from chunkport.errors import BadInputError, UsageError
from chunkport.files import make_folder, replacing, sync_folder

TRASH = ".chunkport-trash"
_ENTRY = "entry.json"
_DOOMED = ".emptied-"


@dataclass(frozen=True)
class MovedFile:
    """A file by its name, and what tells it from another of that name."""

    name: str
    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True)
class TrashEntry:
    """One checkpoint in the trash.

    Attributes:
        home: the folder that it came from.
        place: the folder in the trash that holds its files.
        checkpoint: the name of the file that stands for it.
        files: in the order in which they leave.
        to: where they are going, or have gone.
    """

    home: Path
    place: Path
    checkpoint: str
    files: tuple[MovedFile, ...]
    to: Literal["trash", "home"]

    @property
    def size_bytes(self) -> int:
        """Of all its files."""
        return sum(file.size_bytes for file in self.files)

    @property
    def lacks(self) -> tuple[str, ...]:
        """Files that should be in the trash and are not."""
        return tuple(file.name for file in self.files if not _is_there(self.place, file))


def discard(path: Path, files: Sequence[Path], batch: str) -> TrashEntry:
    """Move the checkpoint at `path`, all `files` of it, into the batch called so of the trash.

    Raises:
        UsageError: the folder is not writable.
        BadInputError: the journal of an interrupted save is damaged.
    """
    layout = layout_of(path)
    place = layout.folder / TRASH / batch / path.name
    make_folder(place)
    with _writing(layout.folder), locked(layout.folder, exclusive=True):
        recover(layout)
        stats = [(file.name, file.stat()) for file in order_of_leaving(layout, files)]
        moved = tuple(MovedFile(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)
        entry = TrashEntry(layout.folder, place, path.name, moved, "trash")
        _write(entry)
        _finish(entry)
    return entry


def order_of_leaving(layout: Layout, files: Sequence[Path]) -> list[Path]:
    """A checkpoint's files so that, gone one by one, it loads whole or is not there.

    The file that stands for it, its manifest, its chunks; before all an index, because without a
    manifest it would be taken for that of another tool.
    """
    ranks = {layout.index_name: 0, layout.main_name: 1, layout.manifest_name: 2}
    return sorted(files, key=lambda file: (ranks.get(file.name, 3), file.name))


def in_trash(folder: Path) -> tuple[TrashEntry, ...]:
    """What the trash of `folder` holds, the oldest first; finishes moves that were interrupted.

    Raises:
        BadInputError: there is no such folder, or an entry is damaged.
        UsageError: the folder is not writable.
    """
    if not folder.is_dir():
        raise BadInputError(f"{folder}: no such folder; name one with checkpoints")
    found = []
    with _writing(folder), locked(folder, exclusive=True):
        for place in sorted((folder / TRASH).glob("[!.]*/*")):
            if not (place / _ENTRY).exists():  # died before anything was moved
                shutil.rmtree(place)
                continue
            entry = _read(folder, place)
            _finish(entry)
            if entry.to == "trash":
                found.append(entry)
        for doomed in (folder / TRASH).glob(f"{_DOOMED}*"):
            shutil.rmtree(doomed)
        _tidy(folder / TRASH)
    return tuple(found)


def restore(entries: Sequence[TrashEntry]) -> None:
    """Move checkpoints of one folder back to where they were, once all are found to have room.

    Raises:
        UsageError: something of their names is there again, or the folder is not writable.
        BadInputError: one is not whole.
    """
    if not entries:
        return
    home = entries[0].home
    with _writing(home), locked(home, exclusive=True):
        for entry in entries:
            _refuse_to_restore(entry)
        for entry in entries:
            back = TrashEntry(entry.home, entry.place, entry.checkpoint, entry.files, "home")
            _write(back)
            _finish(back)


def _refuse_to_restore(entry: TrashEntry) -> None:
    """Raise if the checkpoint is not whole, or its place is taken."""
    if entry.lacks:
        raise BadInputError(
            f"{entry.place}: lacks {', '.join(entry.lacks)}, so it cannot be restored; "
            "what is left of it is in that folder"
        )
    taken = [file.name for file in entry.files if (entry.home / file.name).exists()]
    if taken:
        more = f", with {len(taken) - 1} more files," if len(taken) > 1 else ""
        raise UsageError(
            f"{entry.home}: {taken[0]}{more} is there again; move that elsewhere to restore "
            f"{entry.checkpoint} from {entry.place}"
        )


def empty(entries: Sequence[TrashEntry]) -> None:
    """Delete these for good.

    Raises:
        UsageError: the folder is not writable.
    """
    for number, entry in enumerate(entries):
        with _writing(entry.home), locked(entry.home, exclusive=True):
            batch = entry.place.parent
            doomed = entry.home / TRASH / f"{_DOOMED}{batch.name}-{number}"
            entry.place.rename(doomed)  # in one step, so that no half of one is ever restored
            shutil.rmtree(doomed)
            _tidy(batch.parent)


def _finish(entry: TrashEntry) -> None:
    """Make every move of the entry that has not been made."""
    if entry.to == "trash":
        for file in entry.files:
            if _is_there(entry.home, file) and not (entry.place / file.name).exists():
                (entry.home / file.name).rename(entry.place / file.name)
        sync_folder(entry.home)
        sync_folder(entry.place)
        return
    for file in reversed(entry.files):
        if (entry.place / file.name).exists() and not (entry.home / file.name).exists():
            (entry.place / file.name).rename(entry.home / file.name)
    sync_folder(entry.home)
    left = [file.name for file in entry.files if (entry.place / file.name).exists()]
    if left:
        raise UsageError(
            f"{entry.home}: {', '.join(left)} was written anew while {entry.checkpoint} was being "
            f"restored; what is left of it is in {entry.place}"
        )
    shutil.rmtree(entry.place)
    _tidy(entry.home / TRASH)


def _is_there(folder: Path, file: MovedFile) -> bool:
    """Whether the folder has this very file, and not a newer one of its name."""
    path = folder / file.name
    if not path.is_file():
        return False
    stat = path.stat()
    return (stat.st_size, stat.st_mtime_ns) == (file.size_bytes, file.mtime_ns)


def _tidy(trash: Path) -> None:
    """Remove the batches that hold nothing any more, and the trash if it is empty."""
    for folder in (*trash.glob("*"), trash):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _write(entry: TrashEntry) -> None:
    document = {
        "schema_version": 1,
        "checkpoint": entry.checkpoint,
        "to": entry.to,
        "files": [vars(file) for file in entry.files],
    }
    with replacing(entry.place / _ENTRY) as temporary:
        temporary.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _read(home: Path, place: Path) -> TrashEntry:
    file = place / _ENTRY
    try:
        return _parsed(json.loads(file.read_text(encoding="utf-8")), home, place)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise BadInputError(
            f"{file}: damaged ({reason}); move the files in its folder back by hand, then remove it"
        ) from error


def _parsed(document: Any, home: Path, place: Path) -> TrashEntry:
    files = tuple(
        MovedFile(str(file["name"]), int(file["size_bytes"]), int(file["mtime_ns"]))
        for file in document["files"]
    )
    for name in (*(file.name for file in files), document["checkpoint"]):
        if Path(name).name != name:
            raise ValueError(f"{name!r:.80} is no name of a file")
    if document["to"] not in ("trash", "home"):
        raise ValueError(f"no such place as {document['to']!r:.80}")
    return TrashEntry(home, place, document["checkpoint"], files, document["to"])


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turn a refusal of the disk into an error that says what to do."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(
            f"{error.filename or folder}: cannot be moved ({reason}); make its folder writable"
        ) from error
