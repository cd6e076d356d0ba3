"""What a .safetensors file holds, found without reading a tensor.

The format: 8 bytes with the header's length, little-endian; the header, JSON that gives each
tensor's type, shape and place; the tensors, without gaps. It keeps no checksums.
"""

import json
import math
from pathlib import Path
from typing import Any

from checkpoints.disk_tensor import DiskTensor, Extent
from checkpoints.manifest import ITEM_SIZES, MAX_BYTES, MAX_DIMS
from chunkport.errors import BadInputError

SUFFIX = ".safetensors"
_LENGTH_BYTES = 8
_MAX_HEADER_BYTES = 64 << 20
_METADATA = "__metadata__"
_DTYPES = {
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "I16": "int16",
    "U16": "uint16",
    "F16": "float16",
    "BF16": "bfloat16",
    "I32": "int32",
    "U32": "uint32",
    "F32": "float32",
    "I64": "int64",
    "U64": "uint64",
    "F64": "float64",
    "C64": "complex64",
}


def read_safetensors(file: Path) -> dict[str, Any]:
    """Each tensor by its name, as a `DiskTensor`, and the file's texts by theirs.

    Raises:
        BadInputError: not such a file, cut short, or with a header that contradicts itself.
    """
    try:
        return _read(file)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise BadInputError(
            f"{file}: not a safetensors file, or damaged ({reason}); copy it again"
        ) from error


def _read(file: Path) -> dict[str, Any]:
    size = file.stat().st_size
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(_LENGTH_BYTES), "little")
        first = _LENGTH_BYTES + length
        if length > _MAX_HEADER_BYTES or first > size:
            raise ValueError(f"a header of {length} bytes in a file of {size}")
        header = json.loads(stream.read(length), object_pairs_hook=_unique)
    texts = header.pop(_METADATA, {})
    if not all(type(text) is str for text in texts.values()):
        raise ValueError(f"{_METADATA} holds more than texts")
    tensors = {name: _tensor(file, name, entry, first, size) for name, entry in header.items()}
    spans = sorted((e.offset, e.offset + e.size_bytes) for t in tensors.values() for e in t.storage)
    edges = [first, *(edge for span in spans for edge in span), size]
    if any(edges[i] != edges[i + 1] for i in range(0, len(edges), 2)):
        raise ValueError("its tensors do not follow each other to the end of the file")
    return {**texts, **tensors}


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
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
