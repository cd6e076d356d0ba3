"""What a .safetensors file holds, found without reading a tensor.

The format: 8 bytes with the header's length, little-endian; the header, JSON that gives each
tensor's type, shape and place; the tensors, without gaps. It keeps no checksums and no values other
than texts, so a save of ours adds both as texts (see checkpoints.safetensors_writing).
"""

import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from checkpoints.archive import damaged, refuse_lfs_pointer
from checkpoints.disk_tensor import DiskTensor, Extent
from checkpoints.manifest import ITEM_SIZES, MAX_BYTES, MAX_DIMS
from checkpoints.nodes import Json
from chunkport.errors import BadInputError

SUFFIX = ".safetensors"
LENGTH_BYTES = 8
MAX_HEADER_BYTES = 64 << 20
METADATA = "__metadata__"
TREE = "chunkport.tree"
SAVE_ID = "chunkport.save_id"
TENSOR_SUMS = "chunkport.crc32"
HEADER_SUM = "chunkport.header_crc32"
FORMAT = "format"
SHARDING = "DCP_SHARDING_INFO"
"""Keys of the texts that hold the values, the save's id, the CRC-32 of each tensor and of the
header; and, for loaders of others, the framework and where in its tensor each piece begins."""

CODES: Mapping[str, str] = {
    "bool": "BOOL",
    "uint8": "U8",
    "int8": "I8",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "float8_e4m3fnuz": "F8_E4M3FNUZ",
    "float8_e5m2fnuz": "F8_E5M2FNUZ",
    "int16": "I16",
    "uint16": "U16",
    "float16": "F16",
    "bfloat16": "BF16",
    "int32": "I32",
    "uint32": "U32",
    "float32": "F32",
    "int64": "I64",
    "uint64": "U64",
    "float64": "F64",
    "complex64": "C64",
}
"""The format's names of the types. It has none for complex128."""

PAIRS = "chunkport.complex128"
"""Key of the text that lists the tensors which are complex128, kept as float64 with one dimension
more, for the real and the imaginary part."""

NO_SUM = "0" * 8
"""In place of a CRC-32 that is not known yet."""

_OF_THE_FORMAT = (FORMAT, "DCP_VERSION")
_DTYPES = {code: dtype for dtype, code in CODES.items()}
_FAULTS = (ValueError, TypeError, LookupError, AttributeError, RecursionError)


@dataclass(frozen=True)
class SafetensorsFile:
    """A file's header.

    Attributes:
        path: the file.
        tensors: by name, in the order of the header.
        texts: by name; those of the format itself and of ours are left out.
        tree: the values, of which the tensors are a part; None for a file of another tool.
        save_id: of the save whose chunk it is, if it is one.
        starts: the index in the whole tensor at which each piece begins; empty if not told.
    """

    path: Path
    tensors: Mapping[str, DiskTensor]
    texts: Mapping[str, str]
    tree: Json
    save_id: str | None
    starts: Mapping[str, tuple[int, ...]]

    @property
    def contents(self) -> dict[str, Any]:
        """Tensors and texts; a name that a text gives to a tensor is the tensor too (tied)."""
        tied = {name: self.tensors.get(text, text) for name, text in self.texts.items()}
        return {**tied, **self.tensors}


def read_safetensors(file: Path) -> SafetensorsFile:
    """Read the header; a header that carries a checksum is held against it.

    Raises:
        BadInputError: not such a file, cut short, or with a header that contradicts itself.
    """
    refuse_lfs_pointer(file)
    try:
        return _read(file)
    except _FAULTS as error:
        reason = " ".join(str(error).split())[:200]
        raise BadInputError(
            f"{file}: not a safetensors file, or damaged ({reason}); copy it again"
        ) from error


def _read(file: Path) -> SafetensorsFile:
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(LENGTH_BYTES), "little")
        first = LENGTH_BYTES + length
        if length > MAX_HEADER_BYTES or first > size:
            raise ValueError(f"a header of {length} bytes in a file of {size}")
        raw = stream.read(length)
    header = json.loads(raw, object_pairs_hook=unique_keys)
    texts = header.pop(METADATA, {})
    if not all(type(text) is str for text in texts.values()):
        raise ValueError(f"{METADATA} holds more than texts")
    tensors = {name: _tensor(file, name, entry, first, size) for name, entry in header.items()}
    spans = sorted((e.offset, e.offset + e.size_bytes) for t in tensors.values() for e in t.storage)
    edges = [first, *(edge for span in spans for edge in span), size]
    if any(edges[i] != edges[i + 1] for i in range(0, len(edges), 2)):
        raise ValueError("its tensors do not follow each other to the end of the file")
    if HEADER_SUM in texts or TENSOR_SUMS in texts or TREE in texts:
        tensors = _checked(file, raw, texts, tensors)
    for name in json.loads(texts.pop(PAIRS, "[]")):
        tensors[name] = _as_complex(tensors[name])
    tree = json.loads(texts.pop(TREE, "null"))
    offsets = json.loads(texts.pop(SHARDING, "{}"), object_pairs_hook=unique_keys)
    starts = {name: tuple(offsets[name]["saved_offsets"]) for name in tensors if offsets}
    save_id = texts.pop(SAVE_ID, None)
    values = {name: text for name, text in texts.items() if name not in _OF_THE_FORMAT}
    return SafetensorsFile(file, tensors, values, tree, save_id, starts)


def header_sum(digits: str) -> bytes:
    """The header's own CRC-32 in the header, which is computed with `NO_SUM` in its place."""
    return f'"{HEADER_SUM}":{json.dumps(digits)}'.encode("ascii", "replace")


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make a dictionary of a JSON object, in which no name may be there twice.

    Raises:
        ValueError: one is.
    """
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is there twice")
    return found


def _tensor(file: Path, name: str, entry: dict[str, Any], first: int, size: int) -> DiskTensor:
    dtype, shape = _DTYPES[entry["dtype"]], tuple(entry["shape"])
    start, end = entry["data_offsets"]
    numbers = (*shape, start, end)
    if len(shape) > MAX_DIMS:
        raise ValueError(f"{name!r:.80} has more than {MAX_DIMS} dimensions")
    if not all(type(number) is int and 0 <= number <= MAX_BYTES for number in numbers):
        raise ValueError(f"{name!r:.80} has a size that is no size")
    if end - start != math.prod(shape) * ITEM_SIZES[dtype] or first + end > size:
        raise ValueError(f"{name!r:.80} has bytes {start} to {end} for shape {shape!r:.80}")
    return DiskTensor(dtype, shape, (Extent(file, first + start, end - start, None),))


def _checked(
    file: Path, raw: bytes, texts: dict[str, str], tensors: dict[str, DiskTensor]
) -> dict[str, DiskTensor]:
    """Hold the header against its CRC-32; the tensors with theirs."""
    stored = texts.pop(HEADER_SUM)
    blank = raw.replace(header_sum(stored), header_sum(NO_SUM))
    if f"{zlib.crc32(blank):08x}" != stored:
        raise damaged(file, "its header")
    sums = texts.pop(TENSOR_SUMS).split()
    return {
        name: replace(tensor, storage=(replace(tensor.storage[0], crc32=int(crc32, 16)),))
        for (name, tensor), crc32 in zip(tensors.items(), sums, strict=True)
    }


def _as_complex(tensor: DiskTensor) -> DiskTensor:
    *shape, parts = tensor.shape
    if tensor.dtype != "float64" or parts != 2:  # noqa: PLR2004 - real and imaginary
        raise ValueError(f"a tensor of {tensor.dtype} and shape {tensor.shape} is not complex128")
    return replace(tensor, dtype="complex128", shape=tuple(shape))
