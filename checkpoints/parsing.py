"""Reading a manifest, believing nothing in it before it is checked. Needs no torch."""

import math
import warnings
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from checkpoints.document import (
    Fault,
    checked_size,
    get,
    hexadecimal,
    named,
    objects,
    read_document,
)
from checkpoints.layout import SUFFIXES, Container, Layout
from checkpoints.manifest import (
    FORMAT_VERSION,
    ITEM_SIZES,
    MAX_BYTES,
    MAX_DIMS,
    Chunk,
    FirstChunk,
    FirstManifest,
    Manifest,
    Piece,
    StoredTensor,
    document_crc32,
)
from chunkport.errors import BadInputError

_FIRST_KEYS = frozenset(
    ["version", "is_chunked", "total_size_mb", "total_chunks", "state_dicts", "chunk_files"]
)


def read_manifest(file: Path, layout: Layout) -> Manifest:
    """Parse and check the manifest in `file`, which belongs to the checkpoint of `layout`.

    Warns:
        UserWarning: it is of a later minor version, whose additions are passed over.

    Raises:
        BadInputError: damaged, of another version or another checkpoint, or inconsistent.
    """
    with named(layout.manifest):
        document = read_document(file)
        _check_version(document, layout.manifest)
        return _manifest(document, layout)


def read_first_manifest(file: Path, layout: Layout) -> FirstManifest | None:
    """As `read_manifest`, for one that has the keys of format 1.0 alone; else None.

    Raises:
        BadInputError: damaged, or of another checkpoint.
    """
    with named(layout.manifest):
        document = read_document(file)
        if not document.keys() <= _FIRST_KEYS or document.get("version") != "1.0":
            return None
        entries = _chunk_entries(document)
        chunks = tuple(
            FirstChunk(
                filename=_filename(entry, chunk_id, layout.chunk_name(chunk_id)),
                state_dict=get(entry, "state_dict", str, f"chunk_files[{chunk_id}]"),
            )
            for chunk_id, entry in enumerate(entries)
        )
        unheld = get(document, "state_dicts", dict).keys() - {chunk.state_dict for chunk in chunks}
        if unheld:
            raise Fault(f"state_dicts: no chunk holds {min(unheld)!r:.80}")
        return FirstManifest(chunks)


def _check_version(document: dict[str, Any], file: Path) -> None:
    version = get(document, "format_version", str)
    major, _, minor = version.partition(".")
    if not (major.isascii() and major.isdigit() and minor.isascii() and minor.isdigit()):
        raise Fault(f"format_version: {version!r:.40} is not a version like {FORMAT_VERSION!r}")
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
    if get(document, "byte_order", str) != "little":
        raise Fault("byte_order: expected 'little'")
    container = _container(document)
    entries = _chunk_entries(document)
    chunks = tuple(
        _chunk(entry, i, layout.chunk_name(i, container)) for i, entry in enumerate(entries)
    )
    tensors = tuple(
        _tensor(entry, f"tensors[{i}]", chunks)
        for i, entry in enumerate(objects(document, "tensors"))
    )
    _check_room(chunks, tensors)
    if get(document, "manifest_crc32", str) != document_crc32(document):
        raise Fault("its contents do not match manifest_crc32, so it was altered")
    return Manifest(
        save_id=hexadecimal(document, "save_id", 16),
        cap_bytes=checked_size(get(document, "cap_bytes", int), "cap_bytes"),
        created=get(document, "created", str),
        tools=get(document, "tools", dict),
        chunks=chunks,
        tensors=tensors,
        tree=get(document, "tree", dict),
        main_suffix=_main_suffix(document),
        container=container,
    )


def _container(document: dict[str, Any]) -> Container:
    found = document.get("container", "pth")  # the only one that there was at first
    for container in SUFFIXES:
        if found == container:
            return container
    raise Fault(f"container: {found!r:.40} is none of {', '.join(SUFFIXES)}")


def _main_suffix(document: dict[str, Any]) -> str:
    found = document.get("main_suffix", SUFFIXES["pth"])
    if found not in SUFFIXES.values():
        raise Fault(f"main_suffix: {found!r:.40} is none of {', '.join(SUFFIXES.values())}")
    return str(found)


def _chunk_entries(document: dict[str, Any]) -> list[dict[str, Any]]:
    if get(document, "is_chunked", bool) is not True:
        raise Fault("is_chunked: expected true")
    entries = objects(document, "chunk_files")
    if get(document, "total_chunks", int) != len(entries):
        raise Fault(f"total_chunks: expected {len(entries)}, the length of chunk_files")
    return entries


def _filename(entry: dict[str, Any], chunk_id: int, expected: str) -> str:
    where = f"chunk_files[{chunk_id}]"
    if get(entry, "chunk_id", int, where) != chunk_id:
        raise Fault(f"{where}.chunk_id: expected {chunk_id}")
    filename = get(entry, "filename", str, where)
    if filename != expected:
        raise Fault(
            f"{where}.filename: {filename!r:.80} is not {expected!r}; "
            "files of a checkpoint keep its name and folder"
        )
    return filename


def _chunk(entry: dict[str, Any], chunk_id: int, expected: str) -> Chunk:
    where = f"chunk_files[{chunk_id}]"
    return Chunk(
        filename=_filename(entry, chunk_id, expected),
        size_bytes=checked_size(get(entry, "size_bytes", int, where), f"{where}.size_bytes"),
        crc32=_crc32(entry, where),
        state_dict=get(entry, "state_dict", str, where),
        sha256=hexadecimal(entry, "sha256", 64, where) if "sha256" in entry else None,
    )


def _tensor(entry: dict[str, Any], where: str, chunks: Sequence[Chunk]) -> StoredTensor:
    path = get(entry, "path", str, where)
    dtype = get(entry, "dtype", str, where)
    if dtype not in ITEM_SIZES:
        raise Fault(f"{where}.dtype: unknown type {dtype!r:.40} of {path!r:.200}")
    sizes = get(entry, "shape", list, where)
    if len(sizes) > MAX_DIMS:
        raise Fault(f"{where}.shape: {path!r:.200} has more than {MAX_DIMS} dimensions")
    shape = tuple(checked_size(size, f"{where}.shape") for size in sizes)
    if math.prod(max(size, 1) for size in shape) * ITEM_SIZES[dtype] > MAX_BYTES:
        raise Fault(f"{where}.shape: {path!r:.200} is larger than any memory")
    tensor = StoredTensor(path, dtype, shape, ())
    pieces = tuple(
        _piece(piece, f"{where}.pieces[{i}]", tensor, chunks)
        for i, piece in enumerate(objects(entry, "pieces", where))
    )
    reached = 0
    for piece in pieces:
        if piece.start != reached or piece.stop <= piece.start:
            raise Fault(f"{where}.pieces: they overlap, or do not cover {path!r:.200} in order")
        reached = piece.stop
    if reached != math.prod(shape):
        raise Fault(f"{where}.pieces: they do not cover {path!r:.200}")
    return StoredTensor(path, dtype, shape, pieces)


def _piece(
    entry: dict[str, Any], where: str, tensor: StoredTensor, chunks: Sequence[Chunk]
) -> Piece:
    unit, size = ("rows", tensor.row_elements) if "rows" in entry else ("elements", 1)
    bounds = [
        checked_size(bound, f"{where}.{unit}") * size for bound in get(entry, unit, list, where)
    ]
    if len(bounds) != len(("start", "stop")):
        raise Fault(f"{where}.{unit}: expected [start, stop]")
    chunk_id = checked_size(get(entry, "chunk_id", int, where), f"{where}.chunk_id")
    if chunk_id >= len(chunks):
        raise Fault(f"{where}.chunk_id: {chunk_id}, but there are {len(chunks)} chunks")
    offset = checked_size(get(entry, "offset", int, where), f"{where}.offset")
    start, stop = bounds
    if offset + (stop - start) * tensor.item_size > chunks[chunk_id].size_bytes:
        raise Fault(f"{where}.offset: the piece reaches past the end of its chunk")
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
                raise Fault(f"tensors: two pieces share bytes of {chunk.filename}")


def _crc32(entry: dict[str, Any], where: str) -> int:
    return int(hexadecimal(entry, "crc32", 8, where), 16)
