"""What a checkpoint on disk consists of, found without torch and without reading tensors."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from checkpoints.archive import damaged_member, refuse_lfs_pointer
from checkpoints.forms import OpenCheckpoint, file_meant, find_form, refuse_missing
from checkpoints.journal import locked, needs_recovery, recover
from checkpoints.layout import layout_of
from checkpoints.manifest import Chunk
from checkpoints.safetensors_file import read_safetensors
from chunkport.errors import BadInputError


@dataclass(frozen=True)
class FileSize:
    """A file's name and size in bytes; None when it is missing."""

    name: str
    size_bytes: int | None


@dataclass(frozen=True)
class CheckpointSummary:
    """A checkpoint at a glance.

    Attributes:
        path: the file that stands for it.
        is_chunked: whether it is in several files.
        chunks: those files, as the manifest or the index names them; empty when not chunked.
        total_bytes: of the files that hold the model: the chunks, or the one file.
        largest_bytes: the largest of them.
        cap_bytes: the cap it was saved under; None when not chunked, or not by us.
    """

    path: Path
    is_chunked: bool
    chunks: tuple[FileSize, ...]
    total_bytes: int
    largest_bytes: int
    cap_bytes: int | None

    @property
    def missing(self) -> tuple[str, ...]:
        """Chunk files that should be there and are not."""
        return tuple(chunk.name for chunk in self.chunks if chunk.size_bytes is None)


@contextmanager
def opened(path: Path | str, *, mend: bool = True) -> Iterator[OpenCheckpoint]:
    """Find the checkpoint at `path`, finish any interrupted save, and keep writers away.

    Unless asked to `mend`, an interrupted save is left as it lies, and read from there.

    Raises:
        BadInputError: there is none, or its parts do not belong together.
    """
    path = Path(path)
    try:
        path = file_meant(path, mend=mend)
        layout = layout_of(path)
        if not layout.folder.is_dir():
            raise refuse_missing(path)
        if mend and needs_recovery(layout):
            # a read-only folder cannot be tidied: `current` finds the staged files where they are
            with suppress(OSError), locked(layout.folder, exclusive=True):
                recover(layout)
        with locked(layout.folder, exclusive=False):
            yield find_form(layout, path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise BadInputError(
            f"{error.filename or path}: cannot be read ({reason}); check its permissions"
        ) from error


def list_files(path: Path | str) -> tuple[Path, ...]:
    """Every file that the checkpoint at `path` consists of, the .pth first, chunks last.

    Raises:
        BadInputError: as `load_model_chunked`; all missing chunks at once.
    """
    with opened(path) as checkpoint:
        refuse_missing_chunks(checkpoint)
        layout = checkpoint.layout
        names = [layout.main_name]
        if checkpoint.manifest is not None or checkpoint.first is not None:
            names.append(layout.manifest_name)
        if checkpoint.has_index:
            names.append(layout.index_name)
        files = [checkpoint.file(name) for name in (*names, *checkpoint.chunk_names)]
        return tuple(file for file in files if file.exists())  # a placeholder may be missing


def describe(path: Path | str) -> CheckpointSummary:
    """Sizes and chunks of the checkpoint at `path`, from the manifest and the folder alone.

    Raises:
        BadInputError: there is none, or its manifest is damaged. Missing chunks are reported.
    """
    with opened(path) as checkpoint:
        manifest, chunks = checkpoint.manifest, checkpoint.chunk_names
        names = chunks or (checkpoint.layout.main_name,)
        files = tuple(FileSize(name, _size(checkpoint.file(name))) for name in names)
        sizes = [file.size_bytes for file in files if file.size_bytes is not None]
        return CheckpointSummary(
            path=checkpoint.layout.main,
            is_chunked=bool(chunks),
            chunks=files if chunks else (),
            total_bytes=sum(sizes),
            largest_bytes=max(sizes, default=0),
            cap_bytes=None if manifest is None else manifest.cap_bytes,
        )


def refuse_missing_chunks(checkpoint: OpenCheckpoint) -> None:
    """Check that every chunk is there, before any is read.

    Raises:
        BadInputError: naming all that are missing.
    """
    layout, chunks = checkpoint.layout, checkpoint.chunks
    missing = [name for name, file in chunks.items() if not file.is_file()]
    if missing:
        listed = layout.manifest if checkpoint.weight_map is None else layout.index
        raise BadInputError(
            f"{listed}: {len(missing)} of {len(chunks)} chunks "
            f"missing: {', '.join(missing)}; copy all chunks beside it"
        )


def refuse_wrong_chunks(checkpoint: OpenCheckpoint) -> None:
    """Check that every chunk is what the manifest says, as far as its size tells.

    Raises:
        BadInputError: naming the first that is not.
    """
    for fault in chunk_faults(checkpoint):
        raise fault


def chunk_faults(checkpoint: OpenCheckpoint) -> Iterator[BadInputError]:
    """What is wrong with the chunks, as far as names and sizes tell."""
    chunks = checkpoint.manifest.chunks if checkpoint.manifest else ()
    known = {chunk.filename: chunk for chunk in chunks}
    for name, file in checkpoint.chunks.items():
        if not file.is_file():
            beside = "index" if checkpoint.weight_map else "manifest"
            yield BadInputError(
                f"{checkpoint.layout.folder / name}: missing; copy all chunks beside the {beside}"
            )
            continue
        try:
            refuse_lfs_pointer(file)
        except BadInputError as error:
            yield error
            continue
        size = file.stat().st_size
        if name in known and size != known[name].size_bytes:
            yield wrong_chunk(
                checkpoint, known[name], f"{size} bytes, not {known[name].size_bytes}"
            )


def wrong_chunk(checkpoint: OpenCheckpoint, chunk: Chunk, found: str) -> BadInputError:
    """Tell a damaged chunk from a sound one of another save, by torch's checksums or by its id."""
    manifest, file = checkpoint.manifest, checkpoint.file(chunk.filename)
    try:
        if manifest is not None and manifest.container == "safetensors":
            sound = read_safetensors(file).save_id not in (None, manifest.save_id)
        else:
            sound = damaged_member(file) is None
    except BadInputError:
        sound = False
    place = checkpoint.layout.folder / chunk.filename
    if not sound:
        return BadInputError(f"{place}: damaged ({found}); restore this chunk from a copy")
    return BadInputError(
        f"{place}: not the chunk that the manifest was saved with ({found}), though sound in "
        "itself: it is from another save; restore all files of one save"
    )


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None
