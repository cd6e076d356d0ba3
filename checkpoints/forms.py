"""The forms that a checkpoint has on disk, and which of them is there."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from checkpoints.archive import refuse_lfs_pointer
from checkpoints.first_format import is_older_placeholder
from checkpoints.journal import current, locked, recover
from checkpoints.layout import INDEX_SUFFIX, SUFFIXES, Layout, layout_of
from checkpoints.manifest import FirstManifest, Manifest
from checkpoints.parsing import read_first_manifest, read_manifest
from checkpoints.placeholder import Placeholder, read_placeholder
from checkpoints.shard_index import is_of_a_save, read_index, refuse_other_index
from chunkport.errors import BadInputError


@dataclass(frozen=True)
class OpenCheckpoint:
    """A checkpoint while nobody may replace it.

    Attributes:
        layout: its names.
        manifest: of a checkpoint in chunks.
        weight_map: of one in several .safetensors of another tool, the file of each tensor.
        first: the manifest of one of format 1.0. With none of these, one file holds all.
    """

    layout: Layout
    manifest: Manifest | None = None
    weight_map: Mapping[str, str] | None = None
    first: FirstManifest | None = None

    @property
    def chunk_names(self) -> tuple[str, ...]:
        """The files that hold the tensors, where those are several."""
        if manifest := self.manifest or self.first:
            return tuple(chunk.filename for chunk in manifest.chunks)
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


def file_meant(path: Path, *, mend: bool) -> Path:
    """What a link stands for, if its chunks lie there; what a folder holds, if only one thing.

    With `mend`, interrupted saves in the folder are finished.

    Raises:
        BadInputError: the folder holds several checkpoints.
    """
    if path.is_symlink() and not layout_of(path).manifest.exists():
        target = path.resolve()  # chunks lie beside the file that a link like latest.pth stands for
        return target if target.suffix == path.suffix else path
    if not path.is_dir():
        return path
    for journal in path.glob(".*.journal") if mend else ():  # of a save that may bring an index
        with suppress(OSError, BadInputError), locked(path, exclusive=True):
            recover(layout_of(path / f"{journal.stem[1:]}{INDEX_SUFFIX}"))
    indexes = sorted(path.glob(f"*{INDEX_SUFFIX}"))
    if len(indexes) > 1:
        names = ", ".join(index.name for index in indexes)
        raise BadInputError(f"{path}: holds several checkpoints; name one of {names}")
    whole = path / f"model{SUFFIXES['safetensors']}"
    found = indexes or ([whole] if whole.is_file() else [])
    return found[0] if found else path


def find_form(layout: Layout, asked: Path) -> OpenCheckpoint:
    """The checkpoint of `layout`, which nobody may replace meanwhile.

    Args:
        layout: its names.
        asked: the file that it was asked by.

    Raises:
        BadInputError: there is none, or its parts do not belong together.
    """
    return _of_first_format(layout) or _of_later_format(layout, asked)


def _of_later_format(layout: Layout, asked: Path) -> OpenCheckpoint:
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
        if manifest.container == "safetensors":  # so the index is of that save too
            raise refuse_missing(asked)
    if main.suffix == SUFFIXES["safetensors"]:
        return _of_index(layout, index_file, asked)
    raise refuse_missing(asked)


def _of_first_format(layout: Layout) -> OpenCheckpoint | None:
    main, manifest_file = current(layout, layout.main_name), current(layout, layout.manifest_name)
    if layout.main.suffix != SUFFIXES["pth"] or not manifest_file.is_file():
        return None
    if main.exists() and not is_older_placeholder(main):
        return None
    first = read_first_manifest(manifest_file, layout)
    return None if first is None else OpenCheckpoint(layout, first=first)


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


def owner_of_chunks(layout: Layout) -> str | None:
    """How the name ends of the checkpoint whose chunks these are, m.pth or m.safetensors.

    None where nothing says so: there are none, or their manifest is lost or damaged.
    """
    pth = SUFFIXES["pth"]
    if is_placeholder(layout.folder / (layout.stem + pth)):
        return pth
    try:
        return read_manifest(layout.manifest, layout).main_suffix
    except (BadInputError, FileNotFoundError):
        return pth if any(chunk.suffix == pth for chunk in layout.chunk_files()) else None


def is_placeholder(file: Path) -> bool:
    """Whether a file of that name stands for chunks, of this format or the first."""
    if not file.is_file():
        return False
    return read_placeholder(file) is not None or is_older_placeholder(file)


def layout_asked_for(layout: Layout, path: Path | str) -> Layout:
    """The same, of the ending that the chunks are of where their manifest or index was named."""
    owner = owner_of_chunks(layout)
    if owner and Path(path).name in (layout.manifest_name, layout.index_name):
        return replace(layout, main_name=layout.stem + owner)
    return layout


def parts_of_chunks(layout: Layout) -> list[Path]:
    """Manifest, index and chunks of the checkpoint of `layout`, as far as they are there.

    Those of m.pth are none of m.safetensors, and an index of another tool is none of either.
    """
    if owner_of_chunks(layout) not in (None, layout.main.suffix):
        return []
    beside = [layout.manifest] if layout.manifest.is_file() else []
    if is_of_a_save(layout.index):
        beside.append(layout.index)
    return [*beside, *layout.chunk_files()]


def refuse_missing(path: Path) -> BadInputError:
    """The error for a checkpoint that is not there, with the names nearest to it."""
    if not path.parent.is_dir():
        return BadInputError(f"{path}: no folder {path.parent}; check the path")
    names = [p.name for p in path.parent.iterdir() if not p.name.startswith(".")]
    near = get_close_matches(path.name, names, n=3, cutoff=0.4)
    advice = f"did you mean {', '.join(near)}?" if near else "check the path"
    return BadInputError(f"{path}: no such checkpoint; {advice}")
