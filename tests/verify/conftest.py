"""Exact parts to measure with: a mark by a known rule and its reader, and .tflites made by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from convert.tflite import write_flatbuffer
from verify.attacks import Pixels
from verify.benchmark_document import BenchmarkDocument, parse_benchmark
from verify.marked_pictures import Bits, MarkedPicture, random_message
from verify.message_readers import Reader
from wrappers.spec import Message

_NBITS = 32
_PIXELS = 8  # a side of what one bit is written in


def _read(pixels: Pixels) -> Message:
    """Bright cells of the 4 x 8 that the picture is cut into are 1; more than gray, and marked."""
    rows = np.array_split(pixels.astype(float), 4, axis=0)
    cells = [cell.mean() for row in rows for cell in np.array_split(row, 8, axis=1)]
    return Message(float(np.std(cells)) - 50, tuple(int(value > 128) for value in cells))


@dataclass(frozen=True)
class Cells:
    """Messages of 32 bits written as bright and dark cells, 4 x 8 of them."""

    reader: Reader

    def write(self, message: Bits) -> Pixels:
        cells = np.where(np.array(message).reshape(4, 8), 200, 60).astype(np.uint8)
        plane = cells.repeat(_PIXELS, axis=0).repeat(_PIXELS, axis=1)
        return plane[..., None].repeat(3, axis=2)

    def pictures(self, count: int) -> list[MarkedPicture]:
        messages = [random_message(_NBITS, 7, number) for number in range(count)]
        return [MarkedPicture(self.write(message), message) for message in messages]


@pytest.fixture(scope="session")
def cells() -> Cells:
    return Cells(Reader("cells", _NBITS, _read))


@dataclass(frozen=True)
class HandMade:
    """A .tflite written op by op, so that every byte and every multiplication in it is known.

    Attributes:
        tensors: by name: the values of a constant, or the shape of what is computed.
        ops: (kind, inputs, output), in order of execution; the first input of the first op goes
            in, the last output comes out.
        scales: of constants, by name; their zero points are 0.
    """

    tensors: Mapping[str, NDArray[Any] | tuple[int, ...]]
    ops: Sequence[tuple[str, Sequence[str], str]]
    scales: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def write(self, path: Path) -> Path:
        from ai_edge_litert import schema_py_generated as schema

        model, graph, signature = schema.ModelT(), schema.SubGraphT(), schema.SignatureDefT()
        model.version, buffers = 3, dict[int, Any]()
        kinds = sorted({kind for kind, _, _ in self.ops})
        model.operatorCodes = [_operator_code(kind) for kind in kinds]
        names = list(self.tensors)
        graph.tensors = [self._tensor(name, buffers) for name in names]
        model.buffers = [schema.BufferT(), *buffers.values()]  # the first stands for no values
        graph.operators = []
        for kind, inputs, output in self.ops:
            op = schema.OperatorT()
            op.opcodeIndex = kinds.index(kind)
            op.inputs, op.outputs = [names.index(name) for name in inputs], [names.index(output)]
            if kind in _OPTIONS:
                options = getattr(schema, f"{_OPTIONS[kind]}T")()
                if hasattr(options, "strideH"):
                    options.strideH = options.strideW = 1
                if hasattr(options, "depthMultiplier"):
                    options.depthMultiplier = 1
                if hasattr(options, "axis"):
                    options.axis = 3
                op.builtinOptions = options
                op.builtinOptionsType = getattr(schema.BuiltinOptions, _OPTIONS[kind])
            graph.operators.append(op)
        graph.inputs = [names.index(self.ops[0][1][0])]
        graph.outputs = [names.index(self.ops[-1][2])]
        signature.signatureKey, signature.subgraphIndex = b"serving_default", 0
        signature.inputs = [_named(b"x", graph.inputs[0])]
        signature.outputs = [_named(b"y", graph.outputs[0])]
        model.subgraphs, model.signatureDefs = [graph], [signature]
        write_flatbuffer(model, path)
        return path

    def _tensor(self, name: str, buffers: dict[int, Any]) -> Any:
        """The tensor, its values put among the buffers unless another has the same array."""
        from ai_edge_litert import schema_py_generated as schema

        tensor, content = schema.TensorT(), self.tensors[name]
        tensor.name, tensor.buffer, tensor.type = name.encode(), 0, 0
        if isinstance(content, tuple):
            tensor.shape = list(content)
            return tensor
        tensor.shape, tensor.type = list(content.shape), _TYPE_CODES[content.dtype.name]
        if id(content) not in buffers:
            buffers[id(content)] = schema.BufferT()
            buffers[id(content)].data = np.frombuffer(content.tobytes(), dtype=np.uint8)
        tensor.buffer = list(buffers).index(id(content)) + 1
        if name in self.scales:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = list(self.scales[name])
            tensor.quantization.zeroPoint = [0] * len(self.scales[name])
        return tensor


_TYPE_CODES = {"float32": 0, "float16": 1, "int32": 2, "int8": 9}
_OPTIONS = {
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "TRANSPOSE_CONV": "TransposeConvOptions",
    "BATCH_MATMUL": "BatchMatMulOptions",
    "CONCATENATION": "ConcatenationOptions",
    "ADD": "AddOptions",
}


def _operator_code(kind: str) -> Any:
    from ai_edge_litert import schema_py_generated as schema

    code = schema.OperatorCodeT()
    code.builtinCode = getattr(schema.BuiltinOperator, kind)
    code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), 1
    return code


def _named(name: bytes, index: int) -> Any:
    from ai_edge_litert import schema_py_generated as schema

    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name, index
    return entry


@pytest.fixture(scope="session")
def hand_made() -> type[HandMade]:
    return HandMade


def _contender(name: str, threads: int, latency: float, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "runtime": "litert",
        "precision": "fp32",
        "variant": "rewritten",
        "num_threads": threads,
        "size_bytes": 4_000_000,
        "latency_p50_ms": latency,
        "latency_p90_ms": 1.25 * latency,
        **more,
    }


@pytest.fixture
def second_document() -> BenchmarkDocument:
    """A document of the second version: two contenders with one thread and with two."""
    network = {"runtime": "pytorch", "variant": "network"}
    rows = [
        _contender("PyTorch", 1, 4.0, **network),
        _contender("a.tflite", 1, 1.0, speed_vs_pytorch=4.0, share_of_sgemm=0.5),
        _contender("PyTorch", 2, 2.0, **network),
        _contender("a.tflite", 2, 0.5, speed_vs_pytorch=4.0, share_of_sgemm=0.25),
    ]
    form = _contender("a.tflite", 1, 0) | {
        "anonymous_bytes": 3_000_000,
        "file_backed_bytes": 1_000_000,
        "cached_anonymous_bytes": 1_000_000,
        "ops": 40,
        "share_of_ops_on_xnnpack": 0.9999,
        "ops_left": {"GATHER_ND": 2},
    }
    document = {
        "command": "benchmark",
        "schema_version": 2,
        "machine": {"cpu": "Example"},
        "num_threads": [1, 2],
        "round_spread": 0.04,
        "sgemm": [{"num_threads": 1, "gflop_per_s": 20.0}, {"num_threads": 2, "gflop_per_s": 40.0}],
        "contenders": rows,
        "forms": [_contender("PyTorch", 1, 0, **network), form],
    }
    return parse_benchmark(document, "here")


@pytest.fixture
def first_document() -> BenchmarkDocument:
    """A document of the first version."""
    rows = [_contender("a.tflite", 2, 1.0, peak_memory_bytes=5_000_000)]
    document = {"command": "benchmark", "schema_version": 1, "num_threads": 2, "contenders": rows}
    return parse_benchmark(document, "here")
