"""The ops of a .tflite with the weights that they take, and the values of its inner tensors."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chunkport.errors import BadInputError
from convert.stored_constants import scales_of
from convert.tflite import dtype_of, op_kind, write_flatbuffer

Values = NDArray[np.float32]
_WIDENING = "DEQUANTIZE"
# Of the schema's ActivationFunctionType: what an op does to its result by itself.
_CLIPS: dict[int, tuple[float, float]] = {1: (0, np.inf), 2: (-1, 1), 3: (0, 6)}


@dataclass(frozen=True, eq=False)
class StoredWeight:
    """A constant that an op takes.

    Attributes:
        name: the tensor's.
        raw: the numbers as they are stored.
        scale: what a stored 1 is worth, to be broadcast over `raw`; None for floats.
        zero_point: what a 0 is stored as, likewise.
    """

    name: str
    raw: NDArray[Any]
    scale: Values | None
    zero_point: NDArray[Any] | None

    @property
    def values(self) -> Values:
        """What the op computes with."""
        if self.scale is None or self.zero_point is None:
            return self.raw.astype(np.float32, copy=False)
        exact: Values = (self.raw.astype(np.float32) - self.zero_point) * self.scale
        return exact


@dataclass(frozen=True, eq=False)
class FileOp:
    """An op of the main subgraph.

    Attributes:
        index: its place in the order of execution.
        kind: as the schema calls it, such as CONV_2D.
        weights: its constants that can be weights, in the order of its inputs.
        output: the tensor that it gives.
        shape: of that tensor.
        clip: (lowest, highest) value that it lets pass, where it has such an activation built in.
        quantization: scale and zero point of what it gives, where that is integers.
    """

    index: int
    kind: str
    weights: tuple[StoredWeight, ...]
    output: int
    shape: tuple[int, ...]
    clip: tuple[float, float] | None
    quantization: "tuple[Values, NDArray[Any]] | None"


def read_ops(model: Any) -> list[FileOp]:
    """The ops of a flatbuffer's main subgraph that give something, in order of execution.

    Weights that are widened to float32 before their op count as that op's own.
    """
    subgraph = model.subgraphs[0]
    widened = {
        op.outputs[0]: op.inputs[0]
        for op in subgraph.operators
        if op_kind(model, op) == _WIDENING
        and _stored(model, subgraph.tensors[op.inputs[0]]) is not None
    }
    ops = []
    for index, op in enumerate(subgraph.operators):
        kind = op_kind(model, op)
        if not len(op.outputs) or op.outputs[0] in widened:
            continue
        taken = [widened.get(place, place) for place in op.inputs if place >= 0]
        weights = (_stored(model, subgraph.tensors[place]) for place in taken)
        output = subgraph.tensors[op.outputs[0]]
        activation = getattr(op.builtinOptions, "fusedActivationFunction", 0)
        ops.append(
            FileOp(
                index,
                kind,
                tuple(weight for weight in weights if weight is not None),
                int(op.outputs[0]),
                () if output.shape is None else tuple(map(int, output.shape)),
                _CLIPS.get(activation),
                quantization_of(output, 0),
            )
        )
    return ops


def expose(model: Any, ops: Sequence[FileOp], path: Path) -> dict[int, str]:
    """Write the file with what these ops give as outputs beside its own; their names, by op.

    A delegate keeps its inner tensors to itself, but must give what is an output.

    Raises:
        BadInputError: the file has no signature to name them in.
    """
    from ai_edge_litert import schema_py_generated as schema

    if not model.signatureDefs:
        raise BadInputError("the file has no signature, which names inputs and outputs")
    subgraph, signature = model.subgraphs[0], model.signatureDefs[0]
    outputs, named = list(subgraph.outputs), list(signature.outputs)
    names = {}
    for op in ops:
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = f"chunkport_inner_{op.index}".encode(), op.output
        signature.outputs.append(entry)
        names[op.index] = entry.name.decode()
    subgraph.outputs = list(dict.fromkeys([*outputs, *(op.output for op in ops)]))
    try:
        write_flatbuffer(model, path)
    finally:
        subgraph.outputs, signature.outputs = outputs, named
    return names


def _stored(model: Any, tensor: Any) -> StoredWeight | None:
    """The tensor as a weight: a constant of fractions, or of integers that stand for some."""
    data, dtype = model.buffers[tensor.buffer].data, dtype_of(tensor)
    if data is None or len(data) == 0 or dtype is None:
        return None
    raw, shape = np.asarray(data).view(dtype), () if tensor.shape is None else tuple(tensor.shape)
    if raw.size != math.prod(shape):
        return None
    raw, name = raw.reshape(shape), tensor.name.decode()
    if np.issubdtype(dtype, np.floating):
        return StoredWeight(name, raw, None, None)
    found = quantization_of(tensor, raw.ndim)
    return None if found is None else StoredWeight(name, raw, *found)


def quantization_of(tensor: Any, rank: int) -> tuple[Values, NDArray[Any]] | None:
    """Scale and zero point of an integer tensor, shaped to be broadcast over it."""
    found = scales_of(tensor)
    if found is None:
        return None
    scale, zero = found
    shape = [1] * rank
    if len(scale) > 1:
        shape[tensor.quantization.quantizedDimension] = len(scale)
    elif rank == 0:
        shape = []
    return scale.reshape(shape), zero.reshape(shape)
