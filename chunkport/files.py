"""Writing and identifying files so that nobody ever sees half of one."""

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EDQUOT, ENOSPC
from pathlib import Path

from chunkport.errors import UsageError

_READ_SIZE = 1 << 20


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target`; on success it is synced and renamed onto it.

    On any error the temporary file is removed and `target` is left as it was.

    Raises:
        UsageError: the folder is missing or not writable, or the disk is full.
    """
    if not target.parent.is_dir():
        raise UsageError(f"{target.parent}: no such folder; create it first")
    temporary = target.parent / f".{target.name}.{secrets.token_hex(4)}.tmp"
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
        sync_folder(target.parent)
    except PermissionError as error:
        raise UsageError(f"{target.parent}: not writable; choose another folder") from error
    except OSError as error:
        if error.errno not in (ENOSPC, EDQUOT):
            raise
        raise UsageError(
            f"{target}: cannot be written ({error.strerror}); free some space and try again"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make renames and removals in `folder` survive a power cut, where the system can."""
    if os.name == "nt":  # Windows cannot open a folder; its renames are journalled
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """Create `folder` and its parents, or prove that it is one and can be written to.

    Raises:
        UsageError: it cannot be created, is a file, or is not writable.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"{folder}: cannot be created ({reason}); choose another") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"{folder}: not writable; choose another folder")


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_READ_SIZE):
            digest.update(block)
    return digest.hexdigest()
