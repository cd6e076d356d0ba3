"""Small .tflite files made by hand, and modules to convert."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from convert.tflite import write_flatbuffer

_TYPE_CODES = {"float32": 0, "float16": 1, "int32": 2, "int8": 9}

WriteTflite = Callable[[Path, Mapping[str, NDArray[Any]]], Path]


@pytest.fixture(scope="session")
def write_tflite() -> WriteTflite:
    """Write a .tflite that holds the given constants and computes nothing."""
    from ai_edge_litert import schema_py_generated as schema

    def write(path: Path, constants: Mapping[str, NDArray[Any]]) -> Path:
        model, subgraph = schema.ModelT(), schema.SubGraphT()
        model.version, model.buffers, subgraph.tensors = 3, [schema.BufferT()], []
        subgraph.inputs = subgraph.outputs = subgraph.operators = []
        for name, values in constants.items():
            buffer, tensor = schema.BufferT(), schema.TensorT()
            buffer.data = np.frombuffer(values.tobytes(), dtype=np.uint8)
            tensor.name, tensor.shape = name.encode(), list(values.shape)
            tensor.type, tensor.buffer = _TYPE_CODES[values.dtype.name], len(model.buffers)
            model.buffers.append(buffer)
            subgraph.tensors.append(tensor)
        model.subgraphs, model.operatorCodes = [subgraph], []
        write_flatbuffer(model, path)
        return path

    return write
