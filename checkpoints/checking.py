"""Whether a checkpoint is whole and sound, without torch and without changing anything."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from checkpoints.archive import damaged, damaged_member
from checkpoints.catalog import chunk_faults, opened, wrong_chunk
from checkpoints.digests import Digest, digest_of
from checkpoints.forms import OpenCheckpoint, parts_of_chunks
from checkpoints.journal import doomed
from checkpoints.layout import Layout, layout_of
from checkpoints.lazy import contents_of
from checkpoints.safetensors_file import SUFFIX, read_safetensors
from checkpoints.streaming import TensorStream
from chunkport.errors import BadInputError

OnBytes = Callable[[int], None]
Form = Literal["one file", "chunks", "shards", "unfinished", "unreadable"]


@dataclass(frozen=True)
class Finding:
    """Something to know about a checkpoint: which file, what, and what to do.

    An error means that the checkpoint does not load, or not as it was saved.
    """

    level: Literal["error", "warning"]
    message: str


@dataclass(frozen=True)
class FileState:
    """A file with tensors in it: its size, None when missing; its SHA-256, None when not read."""

    path: Path
    size_bytes: int | None
    sha256: str | None = None


@dataclass(frozen=True)
class CheckedCheckpoint:
    """What there is of a checkpoint.

    Attributes:
        path: its .pth or .safetensors.
        form: how it is stored, `shards` being another tool's chunks; `unfinished` where there is
            only what a first save left when it was interrupted, `unreadable` where the form cannot
            be told.
        files: those with tensors in them: the chunks, or the one file.
        beside: the files that hold the chunks together: placeholder, manifest, index.
        save_id: of the save that the manifest is from; None without one.
        tensors: how many it holds; None when they cannot be counted.
        epoch: the one that it carries, if it does.
        findings: empty when all is well.
    """

    path: Path
    form: Form
    files: tuple[FileState, ...]
    beside: tuple[Path, ...] = ()
    save_id: str | None = None
    tensors: int | None = None
    epoch: int | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def size_bytes(self) -> int:
        """Of the files with tensors in them."""
        return sum(file.size_bytes or 0 for file in self.files)

    @property
    def sound(self) -> bool:
        """Whether it loads as it was saved, as far as was looked."""
        return all(finding.level != "error" for finding in self.findings)


def check(
    path: Path, *, deep: bool = False, on_bytes: OnBytes = lambda _count: None
) -> CheckedCheckpoint:
    """Look at the checkpoint at `path`: its files, their sizes, its manifest, its list of tensors.

    With `deep`, every byte is read and held against the checksums that were stored with it, and
    each file's SHA-256 is computed; `on_bytes` hears of what is read. An interrupted save is
    reported and left as it is.
    """
    layout = layout_of(path)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            with opened(path, mend=False) as checkpoint:
                found = _looked_at(checkpoint, path)
                if deep and found.sound:
                    found = _read_through(checkpoint, found, on_bytes)
        except BadInputError as error:
            found = _unreadable(layout, _refusal_of_link(path) or error)
    if path.is_symlink():
        found = replace(found, path=path)
    remarks = [str(warning.message) for warning in said]
    return _with_findings(found, "warning", [*remarks, *_left_over(layout, found)])


def _refusal_of_link(path: Path) -> BadInputError | None:
    """What to say of a link that leads nowhere, of which the error names only the end."""
    if not path.is_symlink() or path.exists():
        return None
    return BadInputError(f"{path}: is a link to {path.readlink()}, which is not there; remove it")


def _with_findings(
    found: CheckedCheckpoint, level: Literal["error", "warning"], messages: Sequence[str]
) -> CheckedCheckpoint:
    more = (Finding(level, message) for message in messages)
    return replace(found, findings=(*found.findings, *more))


def _looked_at(checkpoint: OpenCheckpoint, path: Path) -> CheckedCheckpoint:
    """All that can be told without reading tensors."""
    layout, manifest = checkpoint.layout, checkpoint.manifest
    names = checkpoint.chunk_names
    form: Form = "shards" if checkpoint.weight_map else "chunks" if names else "one file"
    beside = [layout.main_name, layout.manifest_name] if names else []
    if checkpoint.has_index:
        beside.append(layout.index_name)
    found = CheckedCheckpoint(
        path=layout.main,
        form=form,
        files=tuple(_state(checkpoint.file(name)) for name in names or (layout.main_name,)),
        beside=tuple(file for name in beside if (file := checkpoint.file(name)).is_file()),
        save_id=manifest.save_id if manifest else None,
    )
    if faults := [str(fault) for fault in chunk_faults(checkpoint)]:
        return _with_findings(found, "error", faults)
    try:
        contents = contents_of(checkpoint, path)
        tensors = len(contents.tensors())
    except BadInputError as error:
        return _with_findings(found, "error", [str(error)])
    epoch = contents.contents.get("epoch")
    return replace(found, tensors=tensors, epoch=epoch if type(epoch) is int else None)


def _read_through(
    checkpoint: OpenCheckpoint, found: CheckedCheckpoint, on_bytes: OnBytes
) -> CheckedCheckpoint:
    """The same with SHA-256 of every file, and whatever its checksums tell."""
    digests = [digest_of(file.path, on_bytes) for file in found.files]
    files = tuple(
        replace(file, sha256=digest.sha256)
        for file, digest in zip(found.files, digests, strict=True)
    )
    return _with_findings(
        replace(found, files=files), "error", list(_altered(checkpoint, files, digests))
    )


def _altered(
    checkpoint: OpenCheckpoint, files: Sequence[FileState], digests: Sequence[Digest]
) -> Iterator[str]:
    """What is wrong with the bytes of the files."""
    if checkpoint.manifest is None:
        for file in files:
            try:
                _refuse_altered(file.path)
            except BadInputError as error:
                yield str(error)
        return
    for chunk, digest in zip(checkpoint.manifest.chunks, digests, strict=True):
        if digest.crc32 != chunk.crc32:
            yield str(wrong_chunk(checkpoint, chunk, "a CRC-32 that is not the manifest's"))
        elif chunk.sha256 not in (None, digest.sha256):
            yield (
                f"{checkpoint.layout.folder / chunk.filename}: its SHA-256 is not the manifest's, "
                "though its CRC-32 is, which no accident brings about; restore it from a source "
                "that you trust"
            )


def _refuse_altered(file: Path) -> None:
    """Hold a file against the checksums in itself; .safetensors of other tools have none."""
    if file.suffix == SUFFIX:
        stream = TensorStream()
        for tensor in read_safetensors(file).tensors.values():
            for extent in tensor.storage:
                stream.check(extent)
    elif member := damaged_member(file):
        raise damaged(file, member)


def _unreadable(layout: Layout, error: BadInputError) -> CheckedCheckpoint:
    """What is left to say where not even the parts of the checkpoint can be told."""
    beside = (layout.manifest, layout.index)
    chunks = [file for file in parts_of_chunks(layout) if file not in beside]
    there = [layout.main] if layout.main.is_file() else []
    found = CheckedCheckpoint(layout.main, "unreadable", tuple(map(_state, [*there, *chunks])))
    if _is_going(layout):
        return replace(found, form="unfinished")
    if there or layout.manifest.is_file() or layout.journal.is_file():
        return _with_findings(found, "error", [str(error)])
    if chunks:
        message = (
            f"{layout.main}: {len(chunks)} chunks are here and their manifest is not; copy "
            f"{layout.manifest_name} beside them, or remove them"
        )
        return _with_findings(found, "error", [message])
    if layout.staged_files():
        return replace(found, form="unfinished")
    return _with_findings(found, "error", [str(error)])


def _is_going(layout: Layout) -> bool:
    """Whether its removal was begun."""
    with suppress(BadInputError):
        files = doomed(layout)
        return layout.main_name in files or (
            layout.manifest_name in files and not layout.main.is_file()
        )
    return False


def _left_over(layout: Layout, found: CheckedCheckpoint) -> Iterator[str]:
    """Files that no finished save has any use for."""
    if layout.journal.is_file():
        yield f"{layout.journal}: of a save whose files are not all in place; loading completes it"
        return
    if layout.removal.is_file():
        yield f"{layout.removal}: of a removal that was not finished; loading completes it"
        return
    if staged := layout.staged_files():
        yield (
            f"{staged[0]}: {len(staged)} such files are of a save that was not finished; the next "
            "load or save removes them"
        )
    if found.form in ("unfinished", "unreadable"):
        return
    named = {file.path.name for file in found.files}
    named |= {file.name for file in found.beside}
    stale = [file for file in parts_of_chunks(layout) if file.name not in named]
    if stale:
        yield (
            f"{layout.main}: has no use for {', '.join(file.name for file in stale)}; remove them"
        )


def _state(path: Path) -> FileState:
    return FileState(path, path.stat().st_size if path.is_file() else None)
