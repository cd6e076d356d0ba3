"""A checkpoint's files in one tar, and out of it again, checked on both ways.

The tar holds the files under their names and, at its end, SHA256SUMS, as sha256sum writes it; any
tar program takes it apart. A name that ends in .gz compresses it.
"""

import gzip
import hashlib
import io
import re
import shutil
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from checkpoints.catalog import list_files
from checkpoints.copying import OnBytes
from checkpoints.journal import locked
from checkpoints.layout import layout_of
from checkpoints.lazy import open_checkpoint
from checkpoints.streaming import BLOCK, TensorStream
from checkpoints.trash import order_of_leaving
from chunkport.errors import BadInputError, UsageError
from chunkport.files import make_folder, replacing, sync_folder

SUMS = "SHA256SUMS"
_LARGEST_SUMS = 1 << 20
_LINE = re.compile(r"([0-9a-f]{64})  (\S.*)")
_FAULTS = (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, ValueError)


@dataclass(frozen=True)
class Packed:
    """An archive and the files in it: their sizes before, its size."""

    path: Path
    files: tuple[str, ...]
    size_bytes_before: int
    size_bytes: int


def pack(
    path: Path, target: Path, *, force: bool = False, on_bytes: OnBytes = lambda _count: None
) -> Packed:
    """Put the checkpoint at `path` into the tar `target`, and read it back.

    Every tensor is held against its CRC-32 before, every byte of the tar against the file's after;
    only then is it put in place. `on_bytes` hears of each byte of the files three times.

    Raises:
        BadInputError: the checkpoint is damaged.
        UsageError: `target` is there already, or cannot be written.
    """
    if not target.name.endswith((".tar", ".tar.gz")):
        raise UsageError(f"{target}: an archive's name must end in .tar or .tar.gz; rename it")
    if target.exists() and not force:
        raise UsageError(f"{target}: already there; add --force to replace")
    files = list_files(path)
    with _disk(target), locked(files[0].parent, exclusive=False):
        _check(path, on_bytes)
        with replacing(target) as temporary:
            sums = _write(files, temporary, on_bytes, compress=target.suffix == ".gz")
            with tarfile.open(temporary) as tar:
                found = {info.name: _sum(tar, info, on_bytes) for info in tar if info.name != SUMS}
            if found != sums:
                raise BadInputError(f"{target}: reads back otherwise; look after the disk")
    before = sum(file.stat().st_size for file in files)
    return Packed(target, tuple(sums), before, target.stat().st_size)


def unpack(
    archive: Path, folder: Path, on_bytes: OnBytes = lambda _count: None
) -> tuple[Path, ...]:
    """Take the checkpoint out of a tar that `pack` made, whole or not at all; its files.

    They are checked in a hidden folder first. What makes the checkpoint findable is moved into
    place last, so that killed meanwhile nothing is there that loads, or all of it.

    Raises:
        BadInputError: no such archive, or a damaged one.
        UsageError: one of its files is there already, or the folder cannot be written to.
    """
    make_folder(folder)
    staging = folder / f".{archive.name}.unpacking"
    with _disk(folder), _reading(archive), locked(folder, exclusive=True):
        shutil.rmtree(staging, ignore_errors=True)  # of an attempt that was killed
        staging.mkdir()
        try:
            names = _take_out(archive, folder, staging, on_bytes)
            layout = layout_of(folder / names[0])
            ordered = order_of_leaving(layout, [staging / name for name in names])
            for file in reversed(ordered):
                file.replace(folder / file.name)
            sync_folder(folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return tuple(folder / name for name in names)


def _check(path: Path, on_bytes: OnBytes) -> None:
    stream = TensorStream()
    tensors = open_checkpoint(path).tensors().values()
    for extent in dict.fromkeys(extent for tensor in tensors for extent in tensor.storage):
        stream.check(extent)
        on_bytes(extent.size_bytes)


def _write(
    files: tuple[Path, ...], target: Path, on_bytes: OnBytes, *, compress: bool
) -> dict[str, str]:
    """Write the tar; the SHA-256 of each file by its name."""
    sums = {}
    with tarfile.open(target, "w:gz" if compress else "w") as tar:
        for file in files:
            with file.open("rb") as stream:
                reader = _Summed(stream, on_bytes)
                tar.addfile(tar.gettarinfo(arcname=file.name, fileobj=stream), reader)
            sums[file.name] = reader.sha256.hexdigest()
        text = "".join(f"{digest}  {name}\n" for name, digest in sums.items()).encode()
        info = tarfile.TarInfo(SUMS)
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))
    return sums


class _Summed:
    """A stream that sums what is read from it."""

    def __init__(self, stream: IO[bytes], on_bytes: OnBytes) -> None:
        self.sha256 = hashlib.sha256()
        self._stream = stream
        self._on_bytes = on_bytes

    def read(self, size: int = -1) -> bytes:
        block = self._stream.read(size)
        self.sha256.update(block)
        self._on_bytes(len(block))
        return block


def _sum(
    tar: tarfile.TarFile, info: tarfile.TarInfo, on_bytes: OnBytes, copy: IO[bytes] | None = None
) -> str:
    """The SHA-256 of a member, which is written to `copy` if there is one."""
    stream = tar.extractfile(info) if info.isreg() else None
    if stream is None:
        raise ValueError(f"{info.name!r:.80} is no plain file")
    reader = _Summed(stream, on_bytes)
    while block := reader.read(BLOCK):
        if copy:
            copy.write(block)
    return reader.sha256.hexdigest()


def _take_out(archive: Path, folder: Path, staging: Path, on_bytes: OnBytes) -> list[str]:
    """The archive's files into the staging folder, checked; their names, the first one first."""
    found: dict[str, str] = {}
    sums: Mapping[str, str] = {}
    with tarfile.open(archive) as tar:
        for info in tar:
            if info.name == SUMS and info.size <= _LARGEST_SUMS:
                stream = tar.extractfile(info)
                sums = _read_sums((stream.read() if stream else b"").decode())
                continue
            if Path(info.name).name != info.name or info.name in found:
                raise ValueError(f"{info.name!r:.80} is no name of a file in a checkpoint")
            if (folder / info.name).exists():
                raise UsageError(f"{folder / info.name}: already there; choose another folder")
            with (staging / info.name).open("xb") as copy:
                found[info.name] = _sum(tar, info, on_bytes, copy)
    if not found or found != sums:
        bad = sorted(name for name in {*found, *sums} if found.get(name) != sums.get(name))
        raise ValueError(f"not as it was packed: {', '.join(bad)[:200] or 'empty'}")
    return list(found)


def _read_sums(text: str) -> dict[str, str]:
    lines = (_LINE.fullmatch(line) for line in text.splitlines())
    return {line[2]: line[1] for line in lines if line}


@contextmanager
def _reading(archive: Path) -> Iterator[None]:
    if not archive.is_file():
        raise BadInputError(f"{archive}: no such archive; check the path")
    try:
        yield
    except _FAULTS as error:
        reason = str(error).partition("\n")[0].rstrip(":")[:200]  # what each opener met follows
        raise BadInputError(
            f"{archive}: not an archive of a checkpoint, or damaged ({reason}); copy it again"
        ) from error


@contextmanager
def _disk(place: Path) -> Iterator[None]:
    try:
        yield
    except gzip.BadGzipFile:  # an OSError that tells of the archive, not of the disk
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"{place}: cannot be written ({reason}); choose another place") from error
