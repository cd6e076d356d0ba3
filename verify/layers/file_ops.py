"""The ops of a .tflite with the weights that they take, and the values of its inner tensors."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chunkport.errors import BadInputError
from convert.stored.constants import StoredConstant, stored_constant
from convert.tflite import op_kind, write_flatbuffer

Values = NDArray[np.float32]
_WIDENING = "DEQUANTIZE"
# Of the schema's ActivationFunctionType: what an op does to its result by itself.
_CLIPS: dict[int, tuple[float, float]] = {1: (0, np.inf), 2: (-1, 1), 3: (0, 6)}


@dataclass(frozen=True, eq=False)
class StoredWeight:
    """A constant that an op takes.

    Attributes:
        name: the tensor's.
        shape: of its values.
        constant: the numbers as they are stored, and what they stand for.
    """

    name: str
    shape: tuple[int, ...]
    constant: StoredConstant

    @property
    def values(self) -> Values:
        """What the op computes with, in the shape."""
        numbers, scales = self.constant.numbers(0, self.constant.size), self.constant.scales
        exact: Values = numbers.astype(np.float32, copy=False)
        return (exact if scales is None else scales.widened(numbers)).reshape(self.shape)


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
    """

    index: int
    kind: str
    weights: tuple[StoredWeight, ...]
    output: int
    shape: tuple[int, ...]
    clip: tuple[float, float] | None


def read_ops(model: Any) -> list[FileOp]:
    """The ops of a flatbuffer's main subgraph that give something, in order of execution.

    Weights that are widened to float32 before their op count as that op's own.
    """
    subgraph = model.subgraphs[0]
    widened = {
        op.outputs[0]: op.inputs[0]
        for op in subgraph.operators
        if op_kind(model, op) == _WIDENING
        and _stored(model, subgraph, subgraph.tensors[op.inputs[0]]) is not None
    }
    ops = []
    for index, op in enumerate(subgraph.operators):
        kind = op_kind(model, op)
        if not len(op.outputs) or op.outputs[0] in widened:
            continue
        taken = [widened.get(place, place) for place in op.inputs if place >= 0]
        weights = (_stored(model, subgraph, subgraph.tensors[place]) for place in taken)
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


def _stored(model: Any, subgraph: Any, tensor: Any) -> StoredWeight | None:
    """The tensor as a weight: a constant of fractions, or of integers that stand for some."""
    found = stored_constant(model, subgraph, tensor)
    shape = () if tensor.shape is None else tuple(map(int, tensor.shape))
    if found is None or found.size != math.prod(shape):
        return None
    return StoredWeight(tensor.name.decode(), shape, found)
