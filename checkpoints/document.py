"""A manifest's JSON, of which nothing is believed before it is checked. Needs no torch."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from checkpoints.archive import refuse_lfs_pointer
from checkpoints.manifest import MAX_BYTES, MAX_MANIFEST_BYTES
from chunkport.errors import BadInputError

_T = TypeVar("_T")


class Fault(Exception):  # noqa: N818  # an error is made of it by `named`
    """What is wrong with the manifest, without its file name."""


@contextmanager
def named(manifest: Path) -> Iterator[None]:
    """Give a fault the name of its file."""
    try:
        yield
    except Fault as fault:
        raise BadInputError(
            f"{manifest}: damaged manifest: {fault}; restore it together with its chunks"
        ) from fault


def read_document(file: Path) -> dict[str, Any]:
    """The JSON object in `file`, as it stands.

    Raises:
        Fault: it is none, has a key twice, or is too large.
        BadInputError: it is a Git LFS pointer.
    """
    refuse_lfs_pointer(file)
    if file.stat().st_size > MAX_MANIFEST_BYTES:
        raise Fault(f"larger than {MAX_MANIFEST_BYTES >> 20} MiB")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise Fault(f"duplicate key {key!r:.80}")
            found[key] = value
        return found

    def no_constant(name: str) -> Any:
        raise Fault(f"{name} is not JSON")

    try:
        document = json.loads(
            file.read_bytes(), object_pairs_hook=unique, parse_constant=no_constant
        )
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise Fault(f"not JSON ({reason})") from error
    if not isinstance(document, dict):
        raise Fault("not a JSON object")
    return document


def get(entry: dict[str, Any], key: str, kind: type[_T], where: str = "") -> _T:
    """A value of an object, of just that type; `where` the object stands, for messages.

    Raises:
        Fault: missing, or of another type.
    """
    name = f"{where}.{key}" if where else key
    if key not in entry:
        raise Fault(f"{name}: missing")
    value = entry[key]
    if type(value) is not kind:
        raise Fault(f"{name}: expected {kind.__name__}, found {type(value).__name__}")
    return value


def objects(entry: dict[str, Any], key: str, where: str = "") -> list[dict[str, Any]]:
    """A list of objects, likewise.

    Raises:
        Fault: it is something else.
    """
    items = get(entry, key, list, where)
    if not all(type(item) is dict for item in items):
        raise Fault(f"{where}.{key}: expected a list of objects".lstrip("."))
    return items


def checked_size(value: Any, where: str) -> int:
    """A size or an offset.

    Raises:
        Fault: it is none.
    """
    if type(value) is not int or not 0 <= value <= MAX_BYTES:
        raise Fault(f"{where}: expected a size, found {value!r:.40}")
    return value


def hexadecimal(entry: dict[str, Any], key: str, length: int, where: str = "") -> str:
    """A checksum or an id, of so many digits.

    Raises:
        Fault: it is none.
    """
    digits = get(entry, key, str, where)
    if not re.fullmatch(f"[0-9a-f]{{{length}}}", digits):
        name = f"{where}.{key}".lstrip(".")
        raise Fault(f"{name}: {digits!r:.40} is not hexadecimal of {length} digits")
    return digits
