"""The zip archives that torch.save writes, looked at without torch."""

import struct
import zipfile
import zlib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from chunkport.errors import BadInputError

FAULTS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    LookupError,
    ValueError,
    OSError,  # a seek to an offset that cannot be
    RuntimeError,  # a member marked as encrypted, or packed in an unknown way
)
"""What reading a damaged archive can end in."""

_LFS_HEAD = b"version https://git-lfs"
_LOCAL_HEADER = struct.Struct("<26xHH")  # of a zip member: lengths of its name and extra field


@dataclass(frozen=True)
class Record:
    """A member of the archive: its name, where its bytes lie in the file, and their CRC-32."""

    name: str
    offset: int
    size_bytes: int
    crc32: int


def refuse_lfs_pointer(path: Path) -> None:
    """Refuse the stub that Git leaves in place of a file it keeps in LFS.

    Raises:
        BadInputError: `path` is such a stub.
    """
    with path.open("rb") as file:
        if file.read(len(_LFS_HEAD)) == _LFS_HEAD:
            raise BadInputError(
                f"{path}: is a Git LFS pointer, not the file itself; run `git lfs pull`"
            )


def records(path: Path) -> dict[str, Record]:
    """The members by name, without the archive's own folder (`data.pkl`, `data/0`, ...).

    Raises:
        BadInputError: not such an archive, or cut short.
    """
    found: dict[str, Record] = {}
    spans: list[tuple[int, int]] = []
    size_bytes = path.stat().st_size
    try:
        with zipfile.ZipFile(path) as archive, path.open("rb") as file:
            for info in archive.infolist():
                if info.compress_type != zipfile.ZIP_STORED:
                    raise BadInputError(
                        f"{path}: member {info.filename!r} is compressed, which torch.save never "
                        "does; unpack it and save it again with torch.save"
                    )
                file.seek(info.header_offset)
                lengths = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
                name = info.filename.partition("/")[2]
                offset = info.header_offset + _LOCAL_HEADER.size + sum(lengths)
                if name in found or offset + info.file_size > size_bytes:
                    raise not_an_archive(path)
                found[name] = Record(name, offset, info.file_size, info.CRC)
                spans.append((info.header_offset, offset + info.file_size))
    except FAULTS as error:
        raise not_an_archive(path) from error
    spans.sort()
    if any(end > start for (_, end), (start, _) in pairwise(spans)):
        raise BadInputError(
            f"{path}: members of the archive share bytes, which torch.save never does; save it "
            "again with torch.save"
        )
    return found


def read_record(path: Path, record: Record) -> bytes:
    """The bytes of a small member, checked.

    Raises:
        BadInputError: they do not have the CRC-32 that was stored with them.
    """
    with path.open("rb") as file:
        file.seek(record.offset)
        content = file.read(record.size_bytes)
    if zlib.crc32(content) != record.crc32:
        raise damaged(path, record.name)
    return content


def damaged(path: Path, place: str) -> BadInputError:
    """The error for bytes that are not those that were saved."""
    return BadInputError(f"{path}: damaged at {place!r} (CRC-32); restore it from a copy")


def damaged_member(path: Path) -> str | None:
    """The first member whose bytes do not have the CRC-32 that was stored with them, or None.

    Raises:
        BadInputError: not such an archive, or cut short.
    """
    records(path)  # which refuses compressed members: to read them could take for ever
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip()
    except FAULTS as error:
        raise not_an_archive(path) from error


def not_an_archive(path: Path) -> BadInputError:
    """The error for a file that torch.save did not write, or that lost its end."""
    return BadInputError(
        f"{path}: not a checkpoint in torch's zip format, or cut short; copy it again, or save it "
        "again with torch.save of version 1.6 or later"
    )
