"""Finding the checkpoints in a folder by the names of its files."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from checkpoints.forms import refuse_missing
from checkpoints.layout import layout_of
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
        main = _main_name(place)
        if main is not None and place.with_name(main) != place:
            return (place.with_name(main),)
        if not place.is_file() and not layout_of(place).manifest.is_file():
            raise refuse_missing(place)
        return (place,)
    found: set[Path] = set()
    for folder, below, names in os.walk(place, onerror=_refuse):
        below[:] = [name for name in below if not name.startswith(".")]
        found.update(_in_folder(Path(folder), names))
    return tuple(sorted(found))


def _in_folder(folder: Path, names: list[str]) -> Iterator[Path]:
    present = set(names)
    for name in names:
        main = _main_name(folder / name)
        if main is None:
            continue
        alone = name.endswith(_MANIFEST_SUFFIX) and main not in present
        if not alone or _is_of_chunks(folder / name):
            yield folder / main


def _main_name(file: Path) -> str | None:
    """The name of the checkpoint that a file belongs to; None if it is of something else."""
    name = file.name
    if staged := _STAGED.fullmatch(name):
        name = staged[1]
    if chunk := _CHUNK.fullmatch(name):
        return f"{chunk[1]}.pth"
    if name.endswith(_MANIFEST_SUFFIX):
        return layout_of(name).main_name
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
