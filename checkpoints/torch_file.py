"""What a .pth that torch.save wrote holds, found without torch and without reading a tensor."""

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from checkpoints import numpy_numbers
from checkpoints.archive import Record, read_record, records
from checkpoints.disk_tensor import DiskTensor, Extent, is_row_major, reach
from checkpoints.inert_pickle import Name, Vocabulary, bounded_key, read_pickle, unreadable
from checkpoints.manifest import ITEM_SIZES, MAX_BYTES, MAX_DIMS
from checkpoints.nodes import sizes
from chunkport.errors import BadInputError

_MAX_PICKLE_BYTES = 64 << 20
_BYTE_ORDER = b"little"

STORAGE_TYPES: Mapping[str, str] = {
    "float32": "torch.FloatStorage",
    "float64": "torch.DoubleStorage",
    "float16": "torch.HalfStorage",
    "bfloat16": "torch.BFloat16Storage",
    "int64": "torch.LongStorage",
    "int32": "torch.IntStorage",
    "int16": "torch.ShortStorage",
    "int8": "torch.CharStorage",
    "uint8": "torch.ByteStorage",
    "bool": "torch.BoolStorage",
    "complex64": "torch.ComplexFloatStorage",
    "complex128": "torch.ComplexDoubleStorage",
}
"""PyTorch's class of a storage, by the type of its elements."""

UNTYPED_STORAGE = "torch.storage.UntypedStorage"
"""Holds the types that have no storage of their own."""

_NAMED_BY_TORCH = re.compile(r"torch\.\w+|torch\.(cuda\.)?(sparse\.)?\w+(Tensor|Storage)")
_CALLED_BY_TORCH = re.compile(
    r"torch\._utils\._rebuild_\w+|torch\._tensor\._rebuild_from_type_v2"
    r"|torch\.serialization\._get_layout"
)
_STORAGES = frozenset(map(Name, (*STORAGE_TYPES.values(), UNTYPED_STORAGE)))
_DTYPES = {storage: dtype for dtype, storage in STORAGE_TYPES.items()}


@dataclass(frozen=True)
class _Storage:
    """A storage that the pickle points to; its type is None where each tensor tells its own."""

    dtype: str | None
    extent: Extent


def read_torch_file(file: Path) -> Any:
    """The value that was saved, with a `DiskTensor` for every tensor.

    Raises:
        BadInputError: no such archive, damaged, or with a pickle that asks for more than tensors
            and plain values.
    """
    return _read(file, _VOCABULARY)


def refuse_traps(file: Path) -> None:
    """Refuse what torch.load would be led astray by, or would never finish.

    What torch may know and `read_torch_file` does not, such as quantized tensors, is left to torch.

    Raises:
        BadInputError: as `read_torch_file`, but for names that it does not know.
    """
    of_types_that_we_know = "torch._utils._rebuild_tensor_v3"
    names = {name: made for name, made in _VOCABULARY.items() if name != of_types_that_we_know}
    _read(file, _NamesOfTorch(names))


def _read(file: Path, vocabulary: Vocabulary) -> Any:
    members = records(file)
    if "data.pkl" not in members:
        raise BadInputError(
            f"{file}: a zip archive without a data.pkl, so torch.save did not write it; give the "
            "checkpoint itself"
        )
    _check_byte_order(file, members)
    pickled = members["data.pkl"]
    if pickled.size_bytes > _MAX_PICKLE_BYTES:
        raise unreadable(file, f"larger than {_MAX_PICKLE_BYTES >> 20} MiB")

    def storage(identity: Any) -> _Storage | None:
        kind = identity[1]
        if vocabulary is not _VOCABULARY and isinstance(kind, Name) and kind not in _STORAGES:
            return None
        return _storage(file, members, identity)

    return read_pickle(read_record(file, pickled), vocabulary, storage, file)


class _NamesOfTorch(dict[str, Callable[..., Any] | None]):
    """A vocabulary that has what torch may know too; calls of what it was not given make None."""

    def __contains__(self, name: object) -> bool:
        patterns = (_NAMED_BY_TORCH, _CALLED_BY_TORCH)
        return super().__contains__(name) or any(p.fullmatch(str(name)) for p in patterns)

    def __missing__(self, name: str) -> Callable[..., Any] | None:
        return (lambda *_arguments: None) if _CALLED_BY_TORCH.fullmatch(name) else None


def _check_byte_order(file: Path, members: Mapping[str, Record]) -> None:
    member = members.get("byteorder")
    if member is None:
        return
    if member.size_bytes != len(_BYTE_ORDER) or read_record(file, member) != _BYTE_ORDER:
        raise BadInputError(
            f"{file}: its numbers are not in little-endian order; save it again on a machine of "
            "that order"
        )


def _storage(file: Path, members: Mapping[str, Record], identity: Any) -> _Storage:
    kind, type_name, key, _location, count = identity
    if kind != "storage" or not isinstance(type_name, Name) or type(key) is not str:
        raise ValueError("a persistent id that is no storage")
    dtype = None if type_name.full == UNTYPED_STORAGE else _DTYPES[type_name.full]
    item_size = 1 if dtype is None else ITEM_SIZES[dtype]
    member = members.get(f"data/{key}")
    if member is None:
        raise ValueError(f"storage {key!r:.40} is not in the archive")
    if type(count) is not int:
        raise ValueError("a storage whose size is no number")
    if count * item_size != member.size_bytes:
        raise ValueError(
            f"storage {key!r:.40} should take {item_size} x {count!r:.40} bytes and takes "
            f"{member.size_bytes}"
        )
    return _Storage(dtype, Extent(file, member.offset, member.size_bytes, member.crc32))


def _tensor(storage: Any, start: Any, shape: Any, strides: Any, *_flags: Any) -> DiskTensor:
    if storage.dtype is None:
        raise ValueError("a tensor without a type")
    return _placed(storage.dtype, storage.extent, start, shape, strides)


def _tensor_of_type(
    storage: Any, start: Any, shape: Any, strides: Any, _grad: Any, _hooks: Any, dtype: Any, *_: Any
) -> DiskTensor:
    return _placed(dtype.full.removeprefix("torch."), storage.extent, start, shape, strides)


def _placed(dtype: str, extent: Extent, start: Any, shape: Any, strides: Any) -> DiskTensor:
    numbers = (start, *shape, *strides)
    if not all(type(number) is int and 0 <= number <= MAX_BYTES for number in numbers):
        raise ValueError("a tensor whose shape is no list of sizes")
    shape, strides = tuple(shape), tuple(strides)
    if len(shape) != len(strides) or len(shape) > MAX_DIMS:
        raise ValueError(f"a tensor of {len(shape)} sizes and {len(strides)} strides")
    extends = reach(shape, strides)
    if (start + extends) * ITEM_SIZES[dtype] > extent.size_bytes and extends:
        raise ValueError(f"a tensor of shape {shape} reaches past its {extent.size_bytes} bytes")
    plain = is_row_major(shape, strides)
    return DiskTensor(dtype, shape, (extent,), start, None if plain else strides)


def _parameter(tensor: Any, *_flags: Any) -> Any:
    return tensor


def _ordered(pairs: Any = ()) -> OrderedDict[Any, Any]:
    return OrderedDict((bounded_key(key), value) for key, value in pairs)


def _set(items: Any = ()) -> set[Any]:
    return set(map(bounded_key, items))


def _device(kind: Any, index: Any = "") -> str:
    if type(kind) is not str or type(index) not in (int, str):
        raise ValueError("a device that is none")
    return f"{kind}:{index}".removesuffix(":")


def _counts(counts: Any = ()) -> dict[Any, Any]:
    return dict(counts)


_VOCABULARY: Vocabulary = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_of_type,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch.Size": sizes,
    "torch.device": _device,
    "collections.OrderedDict": _ordered,
    "collections.Counter": _counts,  # schedulers keep their milestones in one
    "_codecs.encode": lambda text, _encoding: text.encode("latin-1"),  # how protocol 2 has bytes
    **dict.fromkeys(("builtins.set", "__builtin__.set"), _set),
    **dict.fromkeys(("builtins.complex", "__builtin__.complex"), complex),
    **numpy_numbers.VOCABULARY,
    UNTYPED_STORAGE: None,
    **dict.fromkeys(_DTYPES),
    **{f"torch.{dtype}": None for dtype in ITEM_SIZES},
}
