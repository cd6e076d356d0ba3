"""Reading a manifest, believing nothing in it before it is checked. Needs no torch."""

import json
import math
import warnings
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from checkpoints.archive import refuse_lfs_pointer
from checkpoints.layout import SUFFIXES, Container, Layout
from checkpoints.manifest import (
    FORMAT_VERSION,
    ITEM_SIZES,
    Chunk,
    Manifest,
    Piece,
    StoredTensor,
    document_crc32,
)
from chunkport.errors import BadInputError

_MAX_MANIFEST_BYTES = 256 << 20
_MAX_BYTES = 1 << 62  # of one tensor; torch counts in signed 64-bit integers
_T = TypeVar("_T")


class _Fault(Exception):  # noqa: N818  # never leaves this module; the message is all of it
    """What is wrong with the manifest, without its file name."""


def read_manifest(file: Path, layout: Layout) -> Manifest:
    """Parse and check the manifest in `file`, which belongs to the checkpoint of `layout`.

    Warns:
        UserWarning: it is of a later minor version, whose additions are passed over.

    Raises:
        BadInputError: damaged, of another version or another checkpoint, or inconsistent.
    """
    refuse_lfs_pointer(file)
    try:
        document = _document(file)
        _check_version(document, layout.manifest)
        return _manifest(document, layout)
    except _Fault as fault:
        raise BadInputError(
            f"{layout.manifest}: damaged manifest: {fault}; restore it together with its chunks"
        ) from fault


def _document(file: Path) -> dict[str, Any]:
    if file.stat().st_size > _MAX_MANIFEST_BYTES:
        raise _Fault(f"larger than {_MAX_MANIFEST_BYTES >> 20} MiB")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise _Fault(f"duplicate key {key!r:.80}")
            found[key] = value
        return found

    def no_constant(name: str) -> Any:
        raise _Fault(f"{name} is not JSON")

    try:
        document = json.loads(
            file.read_bytes(), object_pairs_hook=unique, parse_constant=no_constant
        )
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise _Fault(f"not JSON ({reason})") from error
    if not isinstance(document, dict):
        raise _Fault("not a JSON object")
    return document


def _check_version(document: dict[str, Any], file: Path) -> None:
    version = _get(document, "format_version", str)
    major, _, minor = version.partition(".")
    if not (major.isascii() and major.isdigit() and minor.isascii() and minor.isdigit()):
        raise _Fault(f"format_version: {version!r:.40} is not a version like {FORMAT_VERSION!r}")
    known_major, known_minor = map(int, FORMAT_VERSION.split("."))
    if (len(major), major) > (1, str(known_major)):
        raise BadInputError(
            f"{file}: format_version {version[:40]} is later than {FORMAT_VERSION}; "
            "update chunkport to read it"
        )
    if int(minor[:9]) > known_minor:
        warnings.warn(
            f"{file}: format_version {version[:40]} is later than {FORMAT_VERSION}; "
            "reading what is known of it, update chunkport to read all",
            stacklevel=2,
        )


def _manifest(document: dict[str, Any], layout: Layout) -> Manifest:
    if _get(document, "is_chunked", bool) is not True:
        raise _Fault("is_chunked: expected true")
    if _get(document, "byte_order", str) != "little":
        raise _Fault("byte_order: expected 'little'")
    entries = _objects(document, "chunk_files")
    container = _container(document)
    chunks = tuple(
        _chunk(entry, i, layout.chunk_name(i, container)) for i, entry in enumerate(entries)
    )
    if _get(document, "total_chunks", int) != len(chunks):
        raise _Fault(f"total_chunks: expected {len(chunks)}, the length of chunk_files")
    tensors = tuple(
        _tensor(entry, f"tensors[{i}]", chunks)
        for i, entry in enumerate(_objects(document, "tensors"))
    )
    _check_room(chunks, tensors)
    if _get(document, "manifest_crc32", str) != document_crc32(document):
        raise _Fault("its contents do not match manifest_crc32, so it was altered")
    return Manifest(
        save_id=_get(document, "save_id", str),
        cap_bytes=_get(document, "cap_bytes", int),
        created=_get(document, "created", str),
        tools=_get(document, "tools", dict),
        chunks=chunks,
        tensors=tensors,
        tree=_get(document, "tree", dict),
        main_suffix=_main_suffix(document),
        container=container,
    )


def _container(document: dict[str, Any]) -> Container:
    found = document.get("container", "pth")  # the only one that there was at first
    for container in SUFFIXES:
        if found == container:
            return container
    raise _Fault(f"container: {found!r:.40} is none of {', '.join(SUFFIXES)}")


def _main_suffix(document: dict[str, Any]) -> str:
    found = document.get("main_suffix", SUFFIXES["pth"])
    if found not in SUFFIXES.values():
        raise _Fault(f"main_suffix: {found!r:.40} is none of {', '.join(SUFFIXES.values())}")
    return str(found)


def _chunk(entry: dict[str, Any], chunk_id: int, expected: str) -> Chunk:
    where = f"chunk_files[{chunk_id}]"
    if _get(entry, "chunk_id", int, where) != chunk_id:
        raise _Fault(f"{where}.chunk_id: expected {chunk_id}")
    filename = _get(entry, "filename", str, where)
    if filename != expected:
        raise _Fault(
            f"{where}.filename: {filename!r:.80} is not {expected!r}; "
            "files of a checkpoint keep its name and folder"
        )
    return Chunk(
        filename=filename,
        size_bytes=_count(_get(entry, "size_bytes", int, where), f"{where}.size_bytes"),
        crc32=_crc32(entry, where),
        state_dict=_get(entry, "state_dict", str, where),
    )


def _tensor(entry: dict[str, Any], where: str, chunks: Sequence[Chunk]) -> StoredTensor:
    path = _get(entry, "path", str, where)
    dtype = _get(entry, "dtype", str, where)
    if dtype not in ITEM_SIZES:
        raise _Fault(f"{where}.dtype: unknown type {dtype!r:.40} of {path!r:.200}")
    shape = tuple(_count(size, f"{where}.shape") for size in _get(entry, "shape", list, where))
    if math.prod(max(size, 1) for size in shape) * ITEM_SIZES[dtype] > _MAX_BYTES:
        raise _Fault(f"{where}.shape: {path!r:.200} is larger than any memory")
    tensor = StoredTensor(path, dtype, shape, ())
    pieces = tuple(
        _piece(piece, f"{where}.pieces[{i}]", tensor, chunks)
        for i, piece in enumerate(_objects(entry, "pieces", where))
    )
    reached = 0
    for piece in pieces:
        if piece.start != reached or piece.stop <= piece.start:
            raise _Fault(f"{where}.pieces: they overlap, or do not cover {path!r:.200} in order")
        reached = piece.stop
    if reached != math.prod(shape):
        raise _Fault(f"{where}.pieces: they do not cover {path!r:.200}")
    return StoredTensor(path, dtype, shape, pieces)


def _piece(
    entry: dict[str, Any], where: str, tensor: StoredTensor, chunks: Sequence[Chunk]
) -> Piece:
    unit, size = ("rows", tensor.row_elements) if "rows" in entry else ("elements", 1)
    bounds = [_count(bound, f"{where}.{unit}") * size for bound in _get(entry, unit, list, where)]
    if len(bounds) != len(("start", "stop")):
        raise _Fault(f"{where}.{unit}: expected [start, stop]")
    chunk_id = _count(_get(entry, "chunk_id", int, where), f"{where}.chunk_id")
    if chunk_id >= len(chunks):
        raise _Fault(f"{where}.chunk_id: {chunk_id}, but there are {len(chunks)} chunks")
    offset = _count(_get(entry, "offset", int, where), f"{where}.offset")
    start, stop = bounds
    if offset + (stop - start) * tensor.item_size > chunks[chunk_id].size_bytes:
        raise _Fault(f"{where}.offset: the piece reaches past the end of its chunk")
    return Piece(chunk_id, start, stop, offset, _crc32(entry, where))


def _check_room(chunks: Sequence[Chunk], tensors: Sequence[StoredTensor]) -> None:
    """No two pieces share bytes, so that a small file cannot claim to hold a large model."""
    spans: list[list[tuple[int, int]]] = [[] for _ in chunks]
    for tensor in tensors:
        for piece in tensor.pieces:
            end = piece.offset + (piece.stop - piece.start) * tensor.item_size
            spans[piece.chunk_id].append((piece.offset, end))
    for chunk, taken in zip(chunks, spans, strict=True):
        taken.sort()
        for (_, end), (start, _) in pairwise(taken):
            if start < end:
                raise _Fault(f"tensors: two pieces share bytes of {chunk.filename}")


def _get(entry: dict[str, Any], key: str, kind: type[_T], where: str = "") -> _T:
    name = f"{where}.{key}" if where else key
    if key not in entry:
        raise _Fault(f"{name}: missing")
    value = entry[key]
    if type(value) is not kind:
        raise _Fault(f"{name}: expected {kind.__name__}, found {type(value).__name__}")
    return value


def _objects(entry: dict[str, Any], key: str, where: str = "") -> list[dict[str, Any]]:
    items = _get(entry, key, list, where)
    if not all(type(item) is dict for item in items):
        raise _Fault(f"{where}.{key}: expected a list of objects".lstrip("."))
    return items


def _count(value: Any, where: str) -> int:
    if type(value) is not int or not 0 <= value <= _MAX_BYTES:
        raise _Fault(f"{where}: expected a size, found {value!r:.40}")
    return value


def _crc32(entry: dict[str, Any], where: str) -> int:
    digits = _get(entry, "crc32", str, where)
    try:
        return int(digits, 16)
    except ValueError as error:
        raise _Fault(f"{where}.crc32: {digits!r:.40} is not hexadecimal") from error
