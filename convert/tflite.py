"""Reading and writing .tflite files as flatbuffers: constants, ops and attached metadata."""

import math
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chunkport.errors import BadInputError
from convert.stored.int4 import unpack_int4

_IDENTIFIER = b"TFL3"
_IDENTIFIER_AT = 4
# What reading a damaged flatbuffer can end in: offsets that lead out of the file or to nonsense.
_FAULTS = (
    struct.error,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    OverflowError,
    MemoryError,
)
# Names of the schema's TensorType values that hold plain NumPy data.
_DTYPES: dict[int, type[np.generic]] = {
    0: np.float32,
    1: np.float16,
    2: np.int32,
    3: np.uint8,
    4: np.int64,
    6: np.bool_,
    7: np.int16,
    9: np.int8,
    10: np.float64,
}
_INT4 = 17  # likewise; NumPy's smallest integers have 8 bits
# From this many bytes of constants on, they are written behind the flatbuffer: 256 MiB. Smaller
# models stay in the form that the oldest runtimes read.
_SMALLEST_OUTSIDE = 256 << 20
_SMALLEST_BUFFER_OUTSIDE = 1024
_ALIGNMENT = 16  # the schema's, for the data of buffers
_BLOCK = 4 << 20


@dataclass(frozen=True, eq=False)
class Deferred:
    """Constant values of at least one axis that are computed as they are written.

    Attributes:
        shape: of the whole.
        dtype: of each value.
        rows: computes the values of a slice of the first axis.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    rows: Callable[[slice], NDArray[Any]]

    @property
    def nbytes(self) -> int:
        """Bytes of all values."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __len__(self) -> int:
        return self.nbytes


@dataclass(frozen=True)
class Constant:
    """A tensor whose values lie in the file."""

    name: str
    values: NDArray[Any]


def read_flatbuffer(path: Path) -> Any:
    """The file as the schema's object tree, its big buffers mapped rather than copied.

    Raises:
        BadInputError: it is no .tflite, or a damaged one.
    """
    from ai_edge_litert.tools import flatbuffer_utils

    check_identifier(path)
    try:
        return flatbuffer_utils.read_model(str(path))
    except _FAULTS as error:
        raise BadInputError(
            f"{path}: is damaged or cut short; copy it again, or convert it again"
        ) from error


def check_identifier(path: Path) -> None:
    """Refuse what is no .tflite by its first bytes.

    Raises:
        BadInputError: there is no such file, or it does not say that it is one.
    """
    if not path.is_file():
        raise BadInputError(f"{path}: there is no such file")
    with path.open("rb") as file:
        head = file.read(_IDENTIFIER_AT + len(_IDENTIFIER))
    if head[_IDENTIFIER_AT:] != _IDENTIFIER:
        raise BadInputError(f"{path}: is not a .tflite file (its identifier is not TFL3)")


def write_flatbuffer(model: Any, path: Path) -> None:
    """Write the object tree as a .tflite; buffers may be arrays, bytes or `Deferred`.

    A large model's constants go behind the flatbuffer, streamed: a flatbuffer cannot pass 2 GiB,
    and packing one takes several times its size in memory. A file that is there is replaced, not
    overwritten: the tree may be a map of it.
    """
    from ai_edge_litert.tools import flatbuffer_utils

    contents = {
        index: buffer.data
        for index, buffer in enumerate(model.buffers)
        if buffer.data is not None and len(buffer.data)
    }
    try:
        path.unlink(missing_ok=True)
        if sum(map(_size_of, contents.values())) < _SMALLEST_OUTSIDE:
            for index, data in contents.items():
                model.buffers[index].data = _as_bytes(data)
            path.write_bytes(flatbuffer_utils.convert_object_to_bytearray(model))
        else:
            _write_outside(model, contents, path)
    finally:
        for index, data in contents.items():
            buffer = model.buffers[index]
            buffer.data, buffer.offset, buffer.size = data, 0, 0


def _write_outside(model: Any, contents: Mapping[int, Any], path: Path) -> None:
    """Write the flatbuffer with offsets in place of the constants, then the constants."""
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    outside = {
        index: data
        for index, data in contents.items()
        if _size_of(data) >= _SMALLEST_BUFFER_OUTSIDE
    }
    for index, data in contents.items():
        buffer = model.buffers[index]
        buffer.data = None if index in outside else _as_bytes(data)
        if index in outside:  # values other than the default, so that both fields get a place
            buffer.offset = buffer.size = 1
    head = flatbuffer_utils.convert_object_to_bytearray(model)
    packed = schema.Model.GetRootAs(head)
    end = len(head)
    starts = {}
    for index, data in outside.items():
        starts[index] = end + -end % _ALIGNMENT
        end = starts[index] + _size_of(data)
        flatbuffer_utils.update_packed_buffer(packed.Buffers(index), starts[index], _size_of(data))
    with path.open("wb") as file:
        file.write(head)
        for index, data in outside.items():
            file.write(bytes(starts[index] - file.tell()))
            for block in _blocks(data):
                file.write(block.data)


def _size_of(data: Any) -> int:
    return data.nbytes if isinstance(data, Deferred) else np.asarray(data).nbytes


def _blocks(data: Any) -> Iterator[NDArray[np.uint8]]:
    """The bytes, a few MiB at a time."""
    if isinstance(data, Deferred):
        step = max(1, _BLOCK * data.shape[0] // data.nbytes)
        for first in range(0, data.shape[0], step):
            yield np.ascontiguousarray(data.rows(slice(first, first + step))).reshape(-1).view("u1")
    else:
        whole = np.asarray(data).view(np.uint8)
        for first in range(0, whole.size, _BLOCK):
            yield whole[first : first + _BLOCK]


def _as_bytes(data: Any) -> NDArray[np.uint8]:
    """The bytes as an array, which the flatbuffer builder copies as one and not byte by byte."""
    if isinstance(data, Deferred):
        return np.concatenate([*_blocks(data)])
    return np.asarray(data).view(np.uint8)


def constants(model: Any) -> Iterator[Constant]:
    """Every constant of every subgraph whose type NumPy can hold, once per buffer."""
    seen = set()
    for subgraph in model.subgraphs:
        for tensor in subgraph.tensors:
            if tensor.buffer in seen or (values := values_of(model, tensor)) is None:
                continue
            seen.add(tensor.buffer)
            yield Constant(tensor.name.decode(), values)


def values_of(model: Any, tensor: Any) -> NDArray[Any] | None:
    """A tensor's values as they are stored, in its shape, where they lie in the file.

    Of four bits they are unpacked, one to a byte. None where the file holds none, or of a type
    that NumPy has not.

    Raises:
        ValueError: there are not as many as its shape says.
    """
    data, dtype = model.buffers[tensor.buffer].data, dtype_of(tensor)
    if data is None or len(data) == 0 or dtype is None:
        return None
    shape = () if tensor.shape is None else tuple(map(int, tensor.shape))
    if is_packed(tensor):
        return unpack_int4(np.asarray(data), 0, math.prod(shape)).reshape(shape)
    return np.asarray(data).view(dtype).reshape(shape)


def is_packed(tensor: Any) -> bool:
    """Whether two of its values share a byte."""
    return bool(tensor.type == _INT4)


def dtype_of(tensor: Any) -> type[np.generic] | None:
    """The dtype that a tensor's values have once they are unpacked; None where NumPy has none."""
    return np.int8 if is_packed(tensor) else _DTYPES.get(tensor.type)


def op_counts(model: Any) -> Counter[str]:
    """How many ops of each kind the main subgraph has."""
    return Counter(op_kind(model, op) for op in model.subgraphs[0].operators)


def op_kind(model: Any, op: Any) -> str:
    """The schema's name of what an op does, such as CONV_2D."""
    from ai_edge_litert.tools import flatbuffer_utils

    return str(flatbuffer_utils.opcode_to_name(model, op.opcodeIndex))


def attach_metadata(model: Any, name: str, content: bytes) -> None:
    """Put `content` into the model's metadata table under `name`, replacing an older one."""
    from ai_edge_litert import schema_py_generated as schema

    model.metadata = model.metadata or []
    for entry in model.metadata:
        if entry.name == name.encode():
            model.buffers[entry.buffer].data = np.frombuffer(content, dtype=np.uint8)
            return
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(content, dtype=np.uint8)
    model.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name, entry.buffer = name.encode(), len(model.buffers) - 1
    model.metadata.append(entry)


def find_metadata(model: Any, name: str) -> bytes | None:
    """The metadata under `name`, or None."""
    for entry in model.metadata or []:
        if entry.name == name.encode():
            return bytes(np.asarray(model.buffers[entry.buffer].data, dtype=np.uint8))
    return None
