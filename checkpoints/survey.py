"""Finding the checkpoints in a folder by the names of its files."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from checkpoints.forms import refuse_missing
from checkpoints.layout import INDEX_SUFFIX, layout_of
from checkpoints.safetensors_file import SUFFIX
from checkpoints.shard_index import read_index
from chunkport.errors import BadInputError

_CHUNK = re.compile(r"(.+)\.chunk_\d{3,}\.(?:pth|safetensors)")
_STAGED = re.compile(r"\.(.+)\.[0-9a-f]{16}\.staged")
_MANIFEST_SUFFIX = ".manifest.json"
_WHOLE_SUFFIXES = (".pth", ".pt", ".safetensors")
_HEAD_BYTES = 4096


def find_checkpoints(place: Path) -> tuple[Path, ...]:
    """The checkpoint that `place` is a file of, or those in the folder `place` and below it.

    Hidden folders and links to folders are passed over.

    Raises:
        BadInputError: there is nothing at `place`, or a folder cannot be read.
    """
    if not place.is_dir():
        present = place.parent.iterdir() if place.parent.is_dir() else ()
        beside = {file.name for file in present}
        main = _main_name(place.name, beside)
        if main is not None and main != place.name:
            return (place.with_name(main),)
        if not place.is_file() and not layout_of(place).manifest.is_file():
            raise refuse_missing(place)
        return (place,)
    found: set[Path] = set()
    for folder, below, names in os.walk(place, onerror=_refuse):
        below[:] = [name for name in below if not name.startswith(".")]
        found.update(_in_folder(Path(folder), set(names)))
    return tuple(sorted(found))


def _in_folder(folder: Path, names: set[str]) -> Iterator[Path]:
    parts = _parts_of_others(folder, names)
    for name in names - parts:
        main = _main_name(name, names)
        if main is None:
            continue
        alone = name.endswith(_MANIFEST_SUFFIX) and main not in names
        if not alone or _is_of_chunks(folder / name):
            yield folder / main


def _parts_of_others(folder: Path, names: set[str]) -> set[str]:
    """The .safetensors that an index of another tool makes one checkpoint of."""
    parts: set[str] = set()
    for name in names:
        if name.endswith(INDEX_SUFFIX):
            with suppress(BadInputError, OSError):  # which checking then tells
                parts |= set(read_index(folder / name).values())
    return parts


def _main_name(name: str, beside: set[str]) -> str | None:
    """The name of the checkpoint that a file belongs to; None if it is of something else."""
    if staged := _STAGED.fullmatch(name):
        name = staged[1]
    chunk = _CHUNK.fullmatch(name)
    if chunk or name.endswith((_MANIFEST_SUFFIX, INDEX_SUFFIX)):
        stem = chunk[1] if chunk else layout_of(name).stem
        whole, index = f"{stem}.pth", f"{stem}{INDEX_SUFFIX}"
        return f"{stem}{SUFFIX}" if index in beside and whole not in beside else whole
    return name if name.endswith(_WHOLE_SUFFIXES) and not name.startswith(".") else None


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
