"""The manifest of a chunked checkpoint: its values, and how they are written as JSON.

`version`, `is_chunked`, `total_size_mb`, `total_chunks`, `state_dicts` and `chunk_files` are format
1.0, for people and older tools; `format_version` 1.1 adds what a verified reading needs. Sizes
called MB are MiB.
"""

import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from checkpoints.layout import SUFFIXES, Container

MIB = 1 << 20
FORMAT_VERSION = "1.1"
MAX_MANIFEST_BYTES = 64 << 20
MAX_BYTES = 1 << 62  # of one tensor; torch counts in signed 64-bit integers
MAX_DIMS = 64
ITEM_SIZES: Mapping[str, int] = {
    "bool": 1,
    "int8": 1,
    "uint8": 1,
    "float8_e4m3fn": 1,
    "float8_e5m2": 1,
    "float8_e4m3fnuz": 1,
    "float8_e5m2fnuz": 1,
    "int16": 2,
    "uint16": 2,
    "float16": 2,
    "bfloat16": 2,
    "int32": 4,
    "uint32": 4,
    "float32": 4,
    "int64": 8,
    "uint64": 8,
    "float64": 8,
    "complex64": 8,
    "complex128": 16,
}
"""Bytes per element of each type of tensor that a checkpoint may hold."""


@dataclass(frozen=True)
class Piece:
    """Elements [start, stop) of a tensor, row-major, in a chunk file.

    Attributes:
        chunk_id: which chunk.
        start: first element.
        stop: one past the last element.
        offset: of its bytes in the chunk file.
        crc32: of its bytes.
    """

    chunk_id: int
    start: int
    stop: int
    offset: int
    crc32: int


@dataclass(frozen=True)
class StoredTensor:
    """A tensor and its pieces, which cover it in order; one without elements has no piece."""

    path: str
    dtype: str
    shape: tuple[int, ...]
    pieces: tuple[Piece, ...]

    @property
    def item_size(self) -> int:
        """Bytes per element."""
        return ITEM_SIZES[self.dtype]

    @property
    def row_elements(self) -> int:
        """Elements per step along dim 0."""
        return math.prod(self.shape[1:])


@dataclass(frozen=True)
class Chunk:
    """A chunk file: its name, its size and CRC-32 as written, and the state dict it serves.

    Its SHA-256, in hexadecimal, is None until checkpoints.digests records it: it takes longer to
    compute than a save does.
    """

    filename: str
    size_bytes: int
    crc32: int
    state_dict: str
    sha256: str | None = None


@dataclass(frozen=True)
class Manifest:
    """Everything but the tensors' bytes.

    Attributes:
        save_id: names the save; the placeholder carries the same.
        cap_bytes: no file of the checkpoint is larger.
        created: UTC, ISO 8601.
        tools: versions of what wrote it.
        chunks: by chunk id.
        tensors: by their number in `tree`.
        tree: all other values, as checkpoints.tree writes them.
        main_suffix: how the name ends that it was saved under.
        container: of the chunks.
    """

    save_id: str
    cap_bytes: int
    created: str
    tools: Mapping[str, str]
    chunks: tuple[Chunk, ...]
    tensors: tuple[StoredTensor, ...]
    tree: Any
    main_suffix: str = SUFFIXES["pth"]
    container: Container = "pth"


@dataclass(frozen=True)
class FirstChunk:
    """A chunk file of format 1.0, and the state dict that it holds or is a part of."""

    filename: str
    state_dict: str


@dataclass(frozen=True)
class FirstManifest:
    """A manifest of format 1.0: it says what each chunk holds, and no more."""

    chunks: tuple[FirstChunk, ...]


def to_text(manifest: Manifest) -> str:
    """The manifest file, see `document_text`."""
    total = sum(chunk.size_bytes for chunk in manifest.chunks)
    document: dict[str, Any] = {
        "version": "1.0",
        "format_version": FORMAT_VERSION,
        "is_chunked": True,
        "total_size_mb": _mib(total),
        "total_chunks": len(manifest.chunks),
        "state_dicts": _state_dicts(manifest.chunks),
        "chunk_files": [_chunk_entry(i, chunk) for i, chunk in enumerate(manifest.chunks)],
        "save_id": manifest.save_id,
        "size_bytes": total,
        "cap_bytes": manifest.cap_bytes,
        "created": manifest.created,
        "tools": dict(manifest.tools),
        "byte_order": "little",
        "container": manifest.container,
        "main_suffix": manifest.main_suffix,
        "tensors": [_tensor_entry(tensor) for tensor in manifest.tensors],
        "tree": manifest.tree,
    }
    return document_text(document)


def document_text(document: Mapping[str, Any]) -> str:
    """A manifest's JSON, sealed: one line per entry, so that a diff shows what changed."""
    sealed = {key: value for key, value in document.items() if key != "manifest_crc32"}
    sealed["manifest_crc32"] = document_crc32(sealed)
    return "{\n" + ",\n".join(_lines(key, value) for key, value in sealed.items()) + "\n}\n"


def document_crc32(document: Mapping[str, Any]) -> str:
    """CRC-32, in hexadecimal, of the values; spacing and line ends do not count."""
    sealed = {key: value for key, value in document.items() if key != "manifest_crc32"}
    canonical = json.dumps(sealed, sort_keys=True, separators=(",", ":"))
    return f"{zlib.crc32(canonical.encode('ascii')):08x}"


def _lines(key: str, value: Any) -> str:
    if isinstance(value, list) and value:
        body = ",\n".join(f"    {json.dumps(item)}" for item in value)
        return f"  {json.dumps(key)}: [\n{body}\n  ]"
    if isinstance(value, dict) and value:
        body = ",\n".join(f"    {json.dumps(k)}: {json.dumps(v)}" for k, v in value.items())
        return f"  {json.dumps(key)}: {{\n{body}\n  }}"
    return f"  {json.dumps(key)}: {json.dumps(value)}"


def _mib(size_bytes: int) -> float:
    return round(size_bytes / MIB, 1)


def _state_dicts(chunks: tuple[Chunk, ...]) -> dict[str, Any]:
    ids: dict[str, list[int]] = {}
    for chunk_id, chunk in enumerate(chunks):
        ids.setdefault(chunk.state_dict, []).append(chunk_id)
    return {
        name: {"chunked": False, "chunk_id": members[0]}
        if len(members) == 1
        else {"chunked": True, "chunk_id": members[0], "chunk_ids": members}
        for name, members in ids.items()
    }


def _chunk_entry(chunk_id: int, chunk: Chunk) -> dict[str, Any]:
    entry = {
        "chunk_id": chunk_id,
        "filename": chunk.filename,
        "size_mb": _mib(chunk.size_bytes),
        "state_dict": chunk.state_dict,
        "size_bytes": chunk.size_bytes,
        "crc32": f"{chunk.crc32:08x}",
    }
    return entry if chunk.sha256 is None else {**entry, "sha256": chunk.sha256}


def _tensor_entry(tensor: StoredTensor) -> dict[str, Any]:
    return {
        "path": tensor.path,
        "dtype": tensor.dtype,
        "shape": list(tensor.shape),
        "pieces": [_piece_entry(tensor, piece) for piece in tensor.pieces],
    }


def _piece_entry(tensor: StoredTensor, piece: Piece) -> dict[str, Any]:
    row = tensor.row_elements
    by_rows = bool(tensor.shape) and piece.start % row == 0 and piece.stop % row == 0
    unit, size = ("rows", row) if by_rows else ("elements", 1)
    return {
        "chunk_id": piece.chunk_id,
        unit: [piece.start // size, piece.stop // size],
        "offset": piece.offset,
        "crc32": f"{piece.crc32:08x}",
    }
