"""Compute once what a converted file would compute from constants alone at every inference.

The converter's memory-saving mode leaves such ops on large weights in the graph: the transposes
of convolution kernels, and the scale of a norm, which it moves from the activations into the
weight of the Linear behind it. Here the results take their place, row by row as the file is
written, so that memory holds a few MiB of them, however large the weight.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.tflite import Deferred, dtype_of, op_kind

_RELU_FREE = 0  # the schema's code for no fused activation
_ROWS_AT_ONCE = 256


def fold_constants(model: Any) -> int:
    """Replace ops on constants by their results, in the object tree; how many.

    Ops that are not known here stay, as does every value that an inference gives.
    """
    return sum(_fold_subgraph(model, subgraph) for subgraph in model.subgraphs)


def _fold_subgraph(model: Any, subgraph: Any) -> int:
    kept = []
    for op in subgraph.operators:
        fold = _FOLDS.get(op_kind(model, op))
        operands = [_constant(model, subgraph, index) for index in op.inputs]
        result = None
        if fold is not None and all(operand is not None for operand in operands):
            result = fold(op, *operands)
        if result is None:
            kept.append(op)
        else:
            _store(model, subgraph.tensors[op.outputs[0]], result)
    folded = len(subgraph.operators) - len(kept)
    subgraph.operators = kept
    if folded:
        _drop_unused(model, subgraph)
    return folded


def _constant(model: Any, subgraph: Any, index: int) -> NDArray[Any] | Deferred | None:
    """The values of a tensor that lie in the file, or None."""
    if index < 0:
        return None
    tensor = subgraph.tensors[index]
    data, dtype = model.buffers[tensor.buffer].data, dtype_of(tensor)
    if data is None or len(data) == 0 or dtype is None or isinstance(data, Deferred):
        return data if isinstance(data, Deferred) else None
    return np.asarray(data).view(dtype).reshape(tuple(tensor.shape))


def _transpose(_op: Any, values: Any, order: Any) -> Deferred | None:
    if isinstance(values, Deferred) or values.ndim == 0:
        return None
    turned = values.transpose(order)
    return Deferred(turned.shape, turned.dtype, lambda rows: np.ascontiguousarray(turned[rows]))


def _multiply(op: Any, one: Any, other: Any) -> Deferred | None:
    """A weight times a vector over its last axis, in whichever order."""
    weight, vector = (one, other) if len(one.shape) >= len(other.shape) else (other, one)
    if (
        op.builtinOptions.fusedActivationFunction != _RELU_FREE
        or isinstance(vector, Deferred)
        or weight.dtype != np.float32
        or len(weight.shape) <= vector.ndim
        or vector.shape != weight.shape[-1:]
    ):
        return None
    return Deferred(weight.shape, weight.dtype, lambda rows: _rows_of(weight, rows) * vector)


def _fully_connected(op: Any, x: Any, weight: Any, bias: Any) -> NDArray[np.float32] | None:
    """One constant row through a Linear; summed in float64."""
    options = op.builtinOptions
    if (
        isinstance(x, Deferred)
        or weight.dtype != np.float32
        or options.fusedActivationFunction != _RELU_FREE
        or x.size != weight.shape[1]
    ):
        return None
    row = x.reshape(-1).astype(np.float64)
    products = [
        _rows_of(weight, slice(first, first + _ROWS_AT_ONCE)).astype(np.float64) @ row
        for first in range(0, weight.shape[0], _ROWS_AT_ONCE)
    ]
    out: NDArray[np.float32] = (np.concatenate(products) + bias).astype(np.float32)
    return out


_FOLDS: dict[str | None, Callable[..., Any]] = {
    "TRANSPOSE": _transpose,
    "MUL": _multiply,
    "FULLY_CONNECTED": _fully_connected,
}


def _rows_of(values: NDArray[Any] | Deferred, rows: slice) -> NDArray[Any]:
    return values.rows(rows) if isinstance(values, Deferred) else values[rows]


def _store(model: Any, tensor: Any, values: NDArray[Any] | Deferred) -> None:
    from ai_edge_litert import schema_py_generated as schema

    buffer = schema.BufferT()
    buffer.data = values if isinstance(values, Deferred) else values.view(np.uint8)
    tensor.buffer, tensor.shape = len(model.buffers), list(values.shape)
    model.buffers.append(buffer)


def _drop_unused(model: Any, subgraph: Any) -> None:
    """Empty the buffers that only folded ops read, so that their bytes leave the file."""
    used = {*subgraph.inputs, *subgraph.outputs}
    for op in subgraph.operators:
        used.update(op.inputs, op.outputs)
    for index, tensor in enumerate(subgraph.tensors):
        if index not in used:
            tensor.buffer = 0  # by the schema, the empty one
    needed = {tensor.buffer for graph in model.subgraphs for tensor in graph.tensors}
    needed.update(entry.buffer for entry in model.metadata or [])
    for index, buffer in enumerate(model.buffers):
        if index not in needed:
            buffer.data = None
