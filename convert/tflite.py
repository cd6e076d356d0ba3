"""Reading and writing .tflite files as flatbuffers: constants, ops and attached metadata."""

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chunkport.errors import BadInputError

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

    if not path.is_file():
        raise BadInputError(f"{path}: there is no such file")
    with path.open("rb") as file:
        head = file.read(_IDENTIFIER_AT + len(_IDENTIFIER))
    if head[_IDENTIFIER_AT:] != _IDENTIFIER:
        raise BadInputError(f"{path}: is not a .tflite file (its identifier is not TFL3)")
    try:
        return flatbuffer_utils.read_model(str(path))
    except _FAULTS as error:
        raise BadInputError(
            f"{path}: is damaged or cut short; copy it again, or convert it again"
        ) from error


def write_flatbuffer(model: Any, path: Path) -> None:
    """Write the object tree as a .tflite."""
    from ai_edge_litert.tools import flatbuffer_utils

    flatbuffer_utils.write_model(model, str(path))


def constants(model: Any) -> Iterator[Constant]:
    """Every constant of every subgraph whose dtype NumPy knows, once per buffer."""
    seen = set()
    for subgraph in model.subgraphs:
        for tensor in subgraph.tensors:
            data = model.buffers[tensor.buffer].data
            dtype = _DTYPES.get(tensor.type)
            if data is None or len(data) == 0 or dtype is None or tensor.buffer in seen:
                continue
            seen.add(tensor.buffer)
            values = np.asarray(data).view(dtype)
            shape = () if tensor.shape is None else tuple(tensor.shape)
            yield Constant(tensor.name.decode(), values.reshape(shape))


def op_counts(model: Any) -> Counter[str]:
    """How many ops of each kind the main subgraph has."""
    from ai_edge_litert.tools import flatbuffer_utils

    return Counter(
        flatbuffer_utils.opcode_to_name(model, op.opcodeIndex)
        for op in model.subgraphs[0].operators
    )


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
