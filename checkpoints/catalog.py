"""What a checkpoint on disk consists of, found without torch and without reading tensors."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from checkpoints.archive import refuse_lfs_pointer
from checkpoints.journal import current, locked, needs_recovery, recover
from checkpoints.layout import INDEX_SUFFIX, SUFFIXES, Layout, layout_of
from checkpoints.manifest import Manifest
from checkpoints.parsing import read_manifest
from checkpoints.placeholder import Placeholder, read_placeholder
from checkpoints.shard_index import is_of_a_save, read_index, refuse_other_index
from chunkport.errors import BadInputError


@dataclass(frozen=True)
class OpenCheckpoint:
    """A checkpoint while nobody may replace it.

    Attributes:
        layout: its names.
        manifest: of a checkpoint in chunks.
        weight_map: of one in several .safetensors of another tool, the file of each tensor. With
            neither, one file holds all.
    """

    layout: Layout
    manifest: Manifest | None = None
    weight_map: Mapping[str, str] | None = None

    @property
    def chunk_names(self) -> tuple[str, ...]:
        """The files that hold the tensors, where those are several."""
        if self.manifest is not None:
            return tuple(chunk.filename for chunk in self.manifest.chunks)
        return tuple(sorted(set((self.weight_map or {}).values())))

    @property
    def chunks(self) -> dict[str, Path]:
        """Those files by name, as `file` finds them."""
        return {name: self.file(name) for name in self.chunk_names}

    @property
    def has_index(self) -> bool:
        """Whether an index of .safetensors belongs to it."""
        ours = self.manifest is not None and self.manifest.container == "safetensors"
        return ours or self.weight_map is not None

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
def opened(path: Path | str) -> Iterator[OpenCheckpoint]:
    """Find the checkpoint at `path`, finish any interrupted save, and keep writers away.

    Raises:
        BadInputError: there is none, or its parts do not belong together.
    """
    path = Path(path)
    try:
        path = _file_meant(path)
        layout = layout_of(path)
        if not layout.folder.is_dir():
            raise refuse_missing(path)
        if needs_recovery(layout):
            # a read-only folder cannot be tidied: `current` finds the staged files where they are
            with suppress(OSError), locked(layout.folder, exclusive=True):
                recover(layout)
        with locked(layout.folder, exclusive=False):
            yield _found(layout, path)
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
        if checkpoint.manifest is not None:
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


def owner_of_chunks(layout: Layout) -> str | None:
    """How the name ends of the checkpoint whose chunks these are, m.pth or m.safetensors.

    None where nothing says so: there are none, or their manifest is damaged.
    """
    other = layout.folder / (layout.stem + SUFFIXES["pth"])
    if other.is_file() and read_placeholder(other) is not None:
        return other.suffix
    try:
        return read_manifest(layout.manifest, layout).main_suffix
    except (BadInputError, FileNotFoundError):
        return None


def refuse_missing(path: Path) -> BadInputError:
    """The error for a checkpoint that is not there, with the names nearest to it."""
    if not path.parent.is_dir():
        return BadInputError(f"{path}: no folder {path.parent}; check the path")
    names = [p.name for p in path.parent.iterdir() if not p.name.startswith(".")]
    near = get_close_matches(path.name, names, n=3, cutoff=0.4)
    advice = f"did you mean {', '.join(near)}?" if near else "check the path"
    return BadInputError(f"{path}: no such checkpoint; {advice}")


def refuse_missing_chunks(checkpoint: OpenCheckpoint) -> None:
    """Check that every chunk is there, before any is read.

    Raises:
        BadInputError: naming all that are missing.
    """
    layout, chunks = checkpoint.layout, checkpoint.chunks
    missing = [name for name, file in chunks.items() if not file.is_file()]
    if missing:
        listed = layout.index if checkpoint.manifest is None else layout.manifest
        raise BadInputError(
            f"{listed}: {len(missing)} of {len(chunks)} chunks "
            f"missing: {', '.join(missing)}; copy all chunks beside it"
        )


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _file_meant(path: Path) -> Path:
    """What a link stands for, if its chunks lie there; what a folder holds, if only one thing."""
    if path.is_symlink() and not layout_of(path).manifest.exists():
        target = path.resolve()  # chunks lie beside the file that a link like latest.pth stands for
        return target if target.suffix == path.suffix else path
    if not path.is_dir():
        return path
    for journal in path.glob(".*.journal"):  # of a save that may bring an index
        with suppress(OSError), locked(path, exclusive=True):
            recover(layout_of(path / f"{journal.stem[1:]}{INDEX_SUFFIX}"))
    indexes = sorted(path.glob(f"*{INDEX_SUFFIX}"))
    if len(indexes) > 1:
        names = ", ".join(index.name for index in indexes)
        raise BadInputError(f"{path}: holds several checkpoints; name one of {names}")
    whole = path / f"model{SUFFIXES['safetensors']}"
    found = indexes or ([whole] if whole.is_file() else [])
    return found[0] if found else path


def _found(layout: Layout, asked: Path) -> OpenCheckpoint:
    """In which form the checkpoint is there."""
    manifest_file = current(layout, layout.manifest_name)
    index_file = current(layout, layout.index_name)
    named_part = asked.name in (layout.manifest_name, layout.index_name)
    if named_part and manifest_file.is_file():
        manifest = read_manifest(manifest_file, layout)
        if asked.name == layout.index_name and manifest.container != "safetensors":
            return _of_index(layout, index_file, asked)
        layout = replace(layout, main_name=layout.stem + manifest.main_suffix)
    elif asked.name == layout.index_name:
        return _of_index(layout, index_file, asked)
    main = current(layout, layout.main_name)
    if main.is_file():
        refuse_lfs_pointer(main)
        placeholder = read_placeholder(main)
        if placeholder is None and named_part:
            raise BadInputError(
                f"{asked}: is not of {layout.main_name} beside it, which holds a whole "
                f"checkpoint; load {layout.main_name} or restore its placeholder"
            )
        if placeholder is None:
            return OpenCheckpoint(layout)
        return OpenCheckpoint(layout, _of_placeholder(layout, placeholder, manifest_file))
    if main.is_dir():
        raise BadInputError(f"{layout.main}: is a folder; name a checkpoint in it")
    if manifest_file.is_file():
        manifest = _manifest(layout, manifest_file)
        if layout.stem + manifest.main_suffix == layout.main_name:
            return OpenCheckpoint(layout, manifest)
    elif main.suffix == SUFFIXES["safetensors"]:
        return _of_index(layout, index_file, asked)
    raise refuse_missing(asked)


def _of_index(layout: Layout, index_file: Path, asked: Path) -> OpenCheckpoint:
    if not index_file.is_file():
        raise refuse_missing(asked)
    if is_of_a_save(index_file):
        raise BadInputError(
            f"{layout.index}: its {layout.manifest_name} is missing, which says how its chunks "
            "belong together; copy it beside them"
        )
    return OpenCheckpoint(layout, weight_map=read_index(index_file))


def _of_placeholder(layout: Layout, placeholder: Placeholder, manifest_file: Path) -> Manifest:
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
    manifest = _manifest(layout, manifest_file)
    if manifest.save_id != placeholder.save_id:
        raise BadInputError(
            f"{layout.main}: is from save {placeholder.save_id!r:.40}, but the manifest is "
            f"from save {manifest.save_id!r:.40}; restore all files of one save"
        )
    return manifest


def _manifest(layout: Layout, file: Path) -> Manifest:
    manifest = read_manifest(file, layout)
    if manifest.container == "safetensors":
        refuse_other_index(current(layout, layout.index_name), manifest)
    return manifest
