"""Saves that either happen whole or not at all.

A save writes every file under a staged name, then a journal beside them; the journal's appearance
is the commit. After it the staged files are renamed into place, files of older saves are removed,
and the journal goes last. A process that dies before the commit leaves the older checkpoint as it
was, one that dies after it leaves a journal from which anyone can finish the work.

A removal likewise: a mark beside the files says which of them are to go, and goes last.
"""

import json
import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from checkpoints.layout import SUFFIXES, Container, Layout
from checkpoints.shard_index import is_of_a_save
from chunkport.errors import BadInputError
from chunkport.files import replacing, sync_folder

if os.name == "posix":
    import fcntl

_ENTRY = re.compile(
    r'{"save_id": "([0-9a-f]{16})", "chunks": (\d{1,9})'
    r'(?:, "container": "(pth|safetensors)", "main": "(\.pth|\.safetensors)")?}\n'
)


@dataclass(frozen=True)
class Commit:
    """A finished save.

    Attributes:
        save_id: its id.
        chunks: how many; 0 for one whole file.
        container: of the chunks, or of the whole file.
        main_suffix: how the name ends that it was saved under.
    """

    save_id: str
    chunks: int
    container: Container = "pth"
    main_suffix: str = SUFFIXES["pth"]

    def files(self, layout: Layout) -> list[str]:
        """The names of its files, in the order in which they are moved into place."""
        main = layout.stem + self.main_suffix
        if not self.chunks:
            return [main]
        names = [layout.chunk_name(chunk_id, self.container) for chunk_id in range(self.chunks)]
        names.append(layout.manifest_name)
        if self.container == "safetensors":
            names.append(layout.index_name)
        return names if self.main_suffix == SUFFIXES["safetensors"] else [*names, main]

    def replaced(self, layout: Layout) -> list[Path]:
        """What older saves under the same name may have left, and this one has not."""
        main = layout.folder / (layout.stem + self.main_suffix)
        older = [*layout.chunk_files(), layout.manifest, main]
        if is_of_a_save(layout.index):
            older.append(layout.index)
        names = self.files(layout)
        return [path for path in older if path.name not in names]

    def to_text(self) -> str:
        """The journal."""
        entry: dict[str, str | int] = {"save_id": self.save_id, "chunks": self.chunks}
        if (self.container, self.main_suffix) != ("pth", SUFFIXES["pth"]):
            entry |= {"container": self.container, "main": self.main_suffix}
        return json.dumps(entry) + "\n"


@contextmanager
def locked(folder: Path, *, exclusive: bool) -> Iterator[None]:
    """Hold the folder against writers, and with `exclusive` against readers too.

    The lock is on the folder itself, so no lock file is left behind, and it ends with the process.
    Windows and file systems without locks go unlocked: two saves at once are then the user's to
    avoid.
    """
    if os.name != "posix":
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


def commit(layout: Layout, save: Commit) -> None:
    """Make the staged files of `save` the checkpoint. The caller holds the exclusive lock.

    Raises:
        UsageError: the folder is not writable.
    """
    sync_folder(layout.folder)
    with replacing(layout.journal) as temporary:
        temporary.write_text(save.to_text(), encoding="ascii")
    _roll_forward(layout, save)


def remove(layout: Layout, files: Collection[Path]) -> None:
    """Remove these files of the checkpoint, all or none. The caller holds the exclusive lock.

    Raises:
        UsageError: the folder is not writable.
        OSError: a file cannot be removed.
    """
    if files:
        with replacing(layout.removal) as temporary:
            names = sorted(file.name for file in files)
            temporary.write_text(json.dumps({"remove": names}) + "\n", encoding="ascii")
        _finish_removal(layout)


def recover(layout: Layout) -> None:
    """Finish a committed save or removal, or remove what an unfinished save left.

    The caller holds the exclusive lock.

    Raises:
        BadInputError: the journal, or the mark of a removal, cannot be read.
        OSError: the folder cannot be written to.
    """
    complete(layout)
    for path in layout.staged_files():
        path.unlink(missing_ok=True)


def complete(layout: Layout) -> None:
    """Finish a committed save or removal, and leave what an unfinished save left.

    The caller holds the exclusive lock.

    Raises:
        BadInputError: the journal, or the mark of a removal, cannot be read.
        OSError: the folder cannot be written to.
    """
    _finish_removal(layout)
    save = committed(layout)
    if save is not None:
        _roll_forward(layout, save)


def needs_recovery(layout: Layout) -> bool:
    """Whether a save or removal of it is unfinished, or under way in another process."""
    unfinished = layout.journal.exists() or layout.removal.is_file()
    return unfinished or bool(layout.staged_files())


def doomed(layout: Layout) -> frozenset[str]:
    """The names of the files whose removal has begun, whether they are still there or not.

    Raises:
        BadInputError: the mark of the removal cannot be read.
    """
    if not layout.removal.is_file():
        return frozenset()
    try:
        names = json.loads(layout.removal.read_bytes())["remove"]
        if all(type(name) is str and layout.may_own(name) for name in names):
            return frozenset(names)
    except FileNotFoundError:
        return frozenset()
    except (ValueError, TypeError, LookupError, RecursionError):
        pass
    raise BadInputError(
        f"{layout.removal}: damaged mark of an interrupted removal; remove it, and then the "
        "checkpoint with clean_chunks"
    )


def committed(layout: Layout) -> Commit | None:
    """The save whose files are on their way into place, if there is one.

    Raises:
        BadInputError: the journal cannot be read.
    """
    if not layout.journal.is_file():  # a pipe would be waited for
        return None
    try:
        text = layout.journal.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    entry = _ENTRY.fullmatch(text)
    if entry is None:
        raise BadInputError(
            f"{layout.journal}: damaged journal of an interrupted save; "
            "remove it and restore the checkpoint from a copy"
        )
    container = cast("Container", entry[3] or "pth")
    return Commit(entry[1], int(entry[2]), container, entry[4] or SUFFIXES["pth"])


def current(layout: Layout, name: str) -> Path:
    """Where the file `name` is now: in place, or still staged by a committed save.

    Raises:
        BadInputError: the journal, or the mark of a removal, cannot be read.
    """
    removed = doomed(layout)
    if name in removed:
        return layout.folder / f".{name}.removed"  # which is not there
    save = None if layout.journal.name in removed else committed(layout)
    path = layout.folder / name
    if save is not None:
        staged = layout.staged(name, save.save_id)
        if staged.exists() or path in save.replaced(layout):
            return staged  # which is not there, where the save has no such file
    return path


def _roll_forward(layout: Layout, save: Commit) -> None:
    for name in save.files(layout):
        staged = layout.staged(name, save.save_id)
        if staged.exists():  # not there: an earlier attempt moved it
            staged.replace(layout.folder / name)
    sync_folder(layout.folder)
    for path in save.replaced(layout):
        path.unlink(missing_ok=True)
    layout.journal.unlink(missing_ok=True)
    sync_folder(layout.folder)


def _finish_removal(layout: Layout) -> None:
    names = doomed(layout)
    if not layout.removal.is_file():
        return
    for name in names:
        (layout.folder / name).unlink(missing_ok=True)
    sync_folder(layout.folder)
    layout.removal.unlink(missing_ok=True)
    sync_folder(layout.folder)
