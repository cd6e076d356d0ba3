"""A copy of a .tflite that rounds to float16 wherever a GPU stores float16.

Every result is cast to float16 and back, and so is every constant; a mean becomes a sum, which is
rounded too, times its reciprocal, as the delegate of ai-edge-litert 2.3.0 was seen to compute it.
What overflows becomes infinite, where some drivers hold it at 65504. Within one op sums are those
of the CPU, in float32: what a GPU loses there comes on top, and made the error of the models tried
up to four times as large.
"""

import copy
from pathlib import Path
from typing import Any

import numpy as np

from convert.tflite import op_kind, read_flatbuffer, write_flatbuffer

_FLOAT32, _FLOAT16 = 0, 1  # TensorType of the schema


def write_half_model(source: Path, target: Path) -> None:
    """Write the rounding copy of `source`.

    Raises:
        BadInputError: the source is no .tflite, or a damaged one.
    """
    model = read_flatbuffer(source)
    subgraph = model.subgraphs[0]
    kinds = [op_kind(model, op) for op in subgraph.operators]
    codes = {name: _op_code(model, name) for name in ("CAST", "MUL", "SUM")}
    _round_constants(model)
    operators: list[Any] = []
    for kind, op in zip(kinds, subgraph.operators, strict=True):
        operators.append(op)
        results = [int(index) for index in op.outputs]
        rounds = [subgraph.tensors[index].type == _FLOAT32 for index in results]
        op.outputs = [
            _like(subgraph, index, _FLOAT32) if rounded else index
            for index, rounded in zip(results, rounds, strict=True)
        ]
        for raw, result, rounded in zip(op.outputs, results, rounds, strict=True):
            if not rounded:
                continue
            if kind == "MEAN":
                op.opcodeIndex = codes["SUM"]
                summed = _like(subgraph, result, _FLOAT32)
                operators += _casts(subgraph, codes["CAST"], raw, summed)
                product = _like(subgraph, result, _FLOAT32)
                share = _reciprocal(model, op.inputs[0], result)
                operators.append(_multiply(codes["MUL"], summed, share, product))
                raw = product  # noqa: PLW2901 - what is rounded next
            operators += _casts(subgraph, codes["CAST"], raw, result)
    subgraph.operators = operators
    write_flatbuffer(model, target)


def _round_constants(model: Any) -> None:
    for tensor in model.subgraphs[0].tensors:
        buffer = model.buffers[tensor.buffer]
        if tensor.type == _FLOAT32 and buffer.data is not None and len(buffer.data):
            values = np.asarray(buffer.data).view(np.float32)
            with np.errstate(over="ignore"):
                buffer.data = values.astype(np.float16).astype(np.float32).view(np.uint8)


def _like(subgraph: Any, index: int, kind: int) -> int:
    """A new tensor with the shape of another; its index."""
    tensor = copy.copy(subgraph.tensors[index])
    tensor.name = b"%s, before rounding %d" % (tensor.name, len(subgraph.tensors))
    tensor.type, tensor.buffer = kind, 0
    subgraph.tensors.append(tensor)
    return len(subgraph.tensors) - 1


def _reciprocal(model: Any, summed: int, result: int) -> int:
    """A constant scalar: the share that one term has in a mean; its index."""
    from ai_edge_litert import schema_py_generated as schema

    subgraph = model.subgraphs[0]
    sizes = [int(np.prod(subgraph.tensors[index].shape)) for index in (summed, result)]
    buffer, tensor = schema.BufferT(), schema.TensorT()
    share = np.array([sizes[1] / sizes[0]], np.float32)
    buffer.data = share.view(np.uint8)
    model.buffers.append(buffer)
    tensor.name, tensor.shape = b"a term's share %d" % len(subgraph.tensors), [1]
    tensor.type, tensor.buffer = _FLOAT32, len(model.buffers) - 1
    subgraph.tensors.append(tensor)
    return len(subgraph.tensors) - 1


def _casts(subgraph: Any, code: int, source: int, target: int) -> list[Any]:
    """To float16 and back."""
    half = _like(subgraph, target, _FLOAT16)
    return [
        _cast(code, source, half, _FLOAT32, _FLOAT16),
        _cast(code, half, target, _FLOAT16, _FLOAT32),
    ]


def _cast(code: int, source: int, target: int, before: int, after: int) -> Any:
    from ai_edge_litert import schema_py_generated as schema

    options = schema.CastOptionsT()
    options.inDataType, options.outDataType = before, after
    return _operator(code, [source], target, schema.BuiltinOptions.CastOptions, options)


def _multiply(code: int, one: int, other: int, target: int) -> Any:
    from ai_edge_litert import schema_py_generated as schema

    options = schema.MulOptionsT()
    return _operator(code, [one, other], target, schema.BuiltinOptions.MulOptions, options)


def _operator(code: int, inputs: list[int], output: int, kind: int, options: Any) -> Any:
    from ai_edge_litert import schema_py_generated as schema

    op = schema.OperatorT()
    op.opcodeIndex, op.inputs, op.outputs = code, inputs, [output]
    op.builtinOptionsType, op.builtinOptions = kind, options
    return op


def _op_code(model: Any, name: str) -> int:
    """The index of an op's code, added where the model has none; at version 1."""
    from ai_edge_litert import schema_py_generated as schema

    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, name)
    code.version = 1
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1
