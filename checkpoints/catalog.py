"""What a checkpoint on disk consists of, found without torch and without reading tensors."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from checkpoints.archive import refuse_lfs_pointer, wrong_chunk
from checkpoints.first_format import is_older_placeholder
from checkpoints.journal import current, locked, needs_recovery, recover
from checkpoints.layout import Layout, layout_of
from checkpoints.manifest import Chunk, FirstChunk, FirstManifest, Manifest
from checkpoints.parsing import read_first_manifest, read_manifest
from checkpoints.placeholder import read_placeholder
from chunkport.errors import BadInputError


@dataclass(frozen=True)
class OpenCheckpoint:
    """A checkpoint while nobody may replace it.

    Attributes:
        layout: its names.
        manifest: None when one file holds all, or the manifest is of format 1.0.
        first: the manifest of format 1.0.
    """

    layout: Layout
    manifest: Manifest | None
    first: FirstManifest | None = None

    def file(self, name: str) -> Path:
        """Where the file `name` of this checkpoint is to be read."""
        return current(self.layout, name)


@dataclass(frozen=True)
class FileSize:
    """A file's name and size in bytes; None when it is missing."""

    name: str
    size_bytes: int | None


@dataclass(frozen=True)
class CheckpointSummary:
    """A checkpoint at a glance.

    Attributes:
        path: its .pth.
        is_chunked: whether it is in chunks.
        chunks: the chunk files that the manifest names; empty when not chunked.
        total_bytes: of the files that hold the model: the chunks, or the one file.
        largest_bytes: the largest of them.
        cap_bytes: the cap it was saved under; None when not chunked, or of format 1.0.
    """

    path: Path
    is_chunked: bool
    chunks: tuple[FileSize, ...]
    total_bytes: int
    largest_bytes: int
    cap_bytes: int | None

    @property
    def missing(self) -> tuple[str, ...]:
        """Chunk files that the manifest names and the folder lacks."""
        return tuple(chunk.name for chunk in self.chunks if chunk.size_bytes is None)


@contextmanager
def opened(path: Path | str, *, mend: bool = True) -> Iterator[OpenCheckpoint]:
    """Find the checkpoint at `path`, finish any interrupted save, and keep writers away.

    Unless asked to `mend`, an interrupted save is left as it lies, and read from there.

    Raises:
        BadInputError: there is none, or its parts do not belong together.
    """
    path = Path(path)
    if path.is_symlink() and not layout_of(path).manifest.exists():
        path = path.resolve()  # chunks lie beside the file that a link like latest.pth stands for
    layout = layout_of(path)
    try:
        if not layout.folder.is_dir():
            raise refuse_missing(path)
        if mend and needs_recovery(layout):
            # a read-only folder cannot be tidied: `current` finds the staged files where they are
            with suppress(OSError), locked(layout.folder, exclusive=True):
                recover(layout)
        with locked(layout.folder, exclusive=False):
            manifest = _manifest(layout, path)
            if isinstance(manifest, FirstManifest):
                yield OpenCheckpoint(layout, None, manifest)
            else:
                yield OpenCheckpoint(layout, manifest)
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
        layout, manifest = checkpoint.layout, checkpoint.manifest or checkpoint.first
        names = [layout.main_name]
        if manifest is not None:
            refuse_missing_chunks(checkpoint, manifest)
            names = [layout.main_name] if checkpoint.file(layout.main_name).exists() else []
            names += [layout.manifest_name, *(chunk.filename for chunk in manifest.chunks)]
        return tuple(checkpoint.file(name) for name in names)


def describe(path: Path | str) -> CheckpointSummary:
    """Sizes and chunks of the checkpoint at `path`, from the manifest and the folder alone.

    Raises:
        BadInputError: there is none, or its manifest is damaged. Missing chunks are reported.
    """
    with opened(path) as checkpoint:
        manifest = checkpoint.manifest or checkpoint.first
        names = [checkpoint.layout.main_name]
        if manifest is not None:
            names = [chunk.filename for chunk in manifest.chunks]
        files = tuple(FileSize(name, _size(checkpoint.file(name))) for name in names)
        sizes = [file.size_bytes for file in files if file.size_bytes is not None]
        return CheckpointSummary(
            path=checkpoint.layout.main,
            is_chunked=manifest is not None,
            chunks=files if manifest is not None else (),
            total_bytes=sum(sizes),
            largest_bytes=max(sizes, default=0),
            cap_bytes=checkpoint.manifest.cap_bytes if checkpoint.manifest else None,
        )


def refuse_missing(path: Path) -> BadInputError:
    """The error for a checkpoint that is not there, with the names nearest to it."""
    if not path.parent.is_dir():
        return BadInputError(f"{path}: no folder {path.parent}; check the path")
    names = [p.name for p in path.parent.iterdir() if not p.name.startswith(".")]
    near = get_close_matches(path.name, names, n=3, cutoff=0.4)
    advice = f"did you mean {', '.join(near)}?" if near else "check the path"
    return BadInputError(f"{path}: no such checkpoint; {advice}")


def refuse_missing_chunks(checkpoint: OpenCheckpoint, manifest: Manifest | FirstManifest) -> None:
    """Check that every chunk is there, before any is read.

    Raises:
        BadInputError: naming all that are missing.
    """
    missing = [c.filename for c in manifest.chunks if not checkpoint.file(c.filename).is_file()]
    if missing:
        raise BadInputError(
            f"{checkpoint.layout.manifest}: {len(missing)} of {len(manifest.chunks)} chunks "
            f"missing: {', '.join(missing)}; copy all chunks beside the manifest"
        )


def refuse_wrong_chunks(checkpoint: OpenCheckpoint, manifest: Manifest) -> None:
    """Check that every chunk is what the manifest says, as far as its size tells.

    Raises:
        BadInputError: naming the first that is not.
    """
    for chunk in manifest.chunks:
        if fault := chunk_fault(checkpoint, chunk):
            raise fault


def chunk_fault(checkpoint: OpenCheckpoint, chunk: Chunk | FirstChunk) -> BadInputError | None:
    """What is wrong with a chunk, as far as its name and size tell."""
    place, file = checkpoint.layout.folder / chunk.filename, checkpoint.file(chunk.filename)
    if not file.is_file():
        return BadInputError(f"{place}: missing; copy all chunks beside the manifest")
    try:
        refuse_lfs_pointer(file)
    except BadInputError as error:
        return error
    size = file.stat().st_size
    if isinstance(chunk, Chunk) and size != chunk.size_bytes:  # format 1.0 tells no size
        return wrong_chunk(place, file, f"{size} bytes, not {chunk.size_bytes}")
    return None


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _manifest(layout: Layout, asked: Path) -> Manifest | FirstManifest | None:
    """The manifest if the checkpoint is chunked; None if its .pth holds all."""
    main, manifest_file = current(layout, layout.main_name), current(layout, layout.manifest_name)
    if main.is_file():
        refuse_lfs_pointer(main)
        placeholder = read_placeholder(main)
        if placeholder is None:
            if manifest_file.is_file() and is_older_placeholder(main):
                return read_first_manifest(manifest_file, layout)
            if asked.name == layout.manifest_name:
                raise BadInputError(
                    f"{asked}: is not of {layout.main_name} beside it, which holds a whole "
                    f"checkpoint; load {layout.main_name} or restore its placeholder"
                )
            return None
        if placeholder.manifest != layout.manifest_name:
            raise BadInputError(
                f"{layout.main}: is the placeholder of {placeholder.manifest!r:.80}, not of "
                f"{layout.manifest_name}; give the files of the checkpoint their old names"
            )
        if not manifest_file.is_file():
            raise BadInputError(
                f"{layout.main}: is a placeholder, and its {layout.manifest_name} is missing; "
                "copy the manifest and all chunks beside it"
            )
        manifest = read_manifest(manifest_file, layout)
        if manifest.save_id != placeholder.save_id:
            raise BadInputError(
                f"{layout.main}: is from save {placeholder.save_id!r:.40}, but the manifest is "
                f"from save {manifest.save_id!r:.40}; restore all files of one save"
            )
        return manifest
    if main.is_dir():
        raise BadInputError(f"{layout.main}: is a folder; name a checkpoint in it")
    if manifest_file.is_file():
        first = read_first_manifest(manifest_file, layout)
        return first or read_manifest(manifest_file, layout)
    raise refuse_missing(asked)
