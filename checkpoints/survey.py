"""Finding the checkpoints in a folder by the names of its files."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from checkpoints.forms import owner_of_chunks, refuse_missing
from checkpoints.layout import (
    INDEX_SUFFIX,
    SUFFIXES,
    Layout,
    layout_of,
    name_in_place,
    stem_of_part,
)
from checkpoints.shard_index import is_of_a_save, read_index
from chunkport.errors import BadInputError

_WHOLE_SUFFIXES = (*SUFFIXES.values(), ".pt")
_HEAD_BYTES = 4096


def find_checkpoints(place: Path, *, below: bool = True) -> tuple[Path, ...]:
    """The checkpoint that `place` is a file of, or those in the folder `place` and `below` it.

    Hidden folders and links to folders are passed over.

    Raises:
        BadInputError: there is nothing at `place`, or a folder cannot be read.
    """
    if not place.is_dir():
        layout, stem = layout_of(place), stem_of_part(place.name)
        mains = tuple(_mains(place.parent, stem, {place.name})) if stem else ()
        if not any(file.is_file() for file in (place, layout.manifest, layout.index)):
            raise refuse_missing(place)
        return mains or (place,)
    found: set[Path] = set()
    for folder, deeper, names in os.walk(place, onerror=_refuse):
        deeper[:] = [name for name in deeper if below and not name.startswith(".")]
        found.update(_in_folder(Path(folder), set(names)))
    return tuple(sorted(found))


def _in_folder(folder: Path, names: set[str]) -> Iterator[Path]:
    parts: dict[str, set[str]] = {}
    others = _parts_of_others(folder, names)
    for name in names:
        stem = stem_of_part(name)
        if stem is not None:
            parts.setdefault(stem, set()).add(name)
        elif name.endswith(_WHOLE_SUFFIXES) and not name.startswith(".") and name not in others:
            yield folder / name
    for stem, of_stem in parts.items():
        yield from _mains(folder, stem, of_stem)


def _parts_of_others(folder: Path, names: set[str]) -> set[str]:
    """The .safetensors that an index of another tool makes one checkpoint of."""
    parts: set[str] = set()
    for name in names:
        if name.endswith(INDEX_SUFFIX):
            with suppress(BadInputError, OSError):  # which checking then tells
                parts |= set(read_index(folder / name).values())
    return parts


def _mains(folder: Path, stem: str, parts: set[str]) -> Iterator[Path]:
    """What stands for the checkpoints of which these files, called after `stem`, are parts."""
    layout = Layout(folder, stem, stem + SUFFIXES["safetensors"])
    if layout.index_name in parts and _is_of_another_tool(layout.index):
        yield layout.main
        parts = parts - {layout.index_name}
    if parts and (parts != {layout.manifest_name} or _is_of_chunks(layout.manifest)):
        yield folder / (stem + (owner_of_chunks(layout) or _likely_ending(layout, parts)))


def _is_of_another_tool(index: Path) -> bool:
    try:
        return bool(read_index(index)) and not is_of_a_save(index)
    except (BadInputError, OSError):
        return False


def _likely_ending(layout: Layout, parts: Iterable[str]) -> str:
    """How the name of the checkpoint ends whose manifest does not say so."""
    pth, safetensors = SUFFIXES["pth"], SUFFIXES["safetensors"]
    placed = {name_in_place(name) for name in parts}
    for ending in (pth, safetensors):
        if layout.stem + ending in placed or (layout.folder / (layout.stem + ending)).exists():
            return ending
    return safetensors if layout.index_name in placed else pth


def _is_of_chunks(manifest: Path) -> bool:
    """Other tools call files so too, of web pages among others."""
    try:
        with manifest.open("rb") as file:
            return b'"is_chunked"' in file.read(_HEAD_BYTES)
    except OSError:
        return True  # which checking then tells


def _refuse(error: OSError) -> None:
    raise BadInputError(
        f"{error.filename}: cannot be read ({error.strerror}); check its permissions"
    ) from error
