"""A float32 .tflite as a function in PyTorch, through which gradients flow to its weights.

Rounding that is to leave a model's outputs in place must know how each weight moves them. The
file's own graph is followed, op by op, so that any float .tflite will do, ours or not.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from chunkport.errors import ConversionError
from convert.differentiable_ops import OPERATIONS
from convert.tflite import dtype_of, op_kind, read_flatbuffer

# What an op may compute of a float layer's input before it is used; see `Graph.run`.
Change = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Step:
    """One op: what it computes, the tensors it reads and the one it writes.

    Attributes:
        name: of its output tensor.
        kind: the schema's name of the op.
        inputs: indices of tensors; None for an optional one that is not there.
        output: index of the tensor it writes.
        options: of the op, as the schema has them.
        compute: of the values of its inputs.
    """

    name: str
    kind: str
    inputs: tuple[int | None, ...]
    output: int
    options: Any
    compute: Callable[..., Tensor]


@dataclass(frozen=True, eq=False)
class Graph:
    """The main graph of a float32 .tflite.

    Attributes:
        steps: its ops, in the order of execution.
        constants: by index of their tensors.
        inputs: index of the tensor of each input, by the signature's name.
        outputs: the same of the outputs.
    """

    steps: tuple[Step, ...]
    constants: Mapping[int, Tensor]
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]

    def run(
        self,
        samples: Mapping[str, Tensor],
        constants: Mapping[int, Tensor],
        wanted: Collection[int],
        changed_inputs: Mapping[int, Change] | None = None,
    ) -> dict[int, Tensor]:
        """The wanted tensors by index, each with the samples' axis first.

        Args:
            samples: (samples, ...) per input, each sample of the shape that the graph takes.
            constants: in place of the graph's own.
            wanted: indices of tensors; nothing is computed that comes after them.
            changed_inputs: by the index of an op's output, what happens to its first input.
        """
        names = list(samples)
        last = max((at for at, step in enumerate(self.steps) if step.output in wanted), default=-1)

        def one(*arrays: Tensor) -> dict[int, Tensor]:
            values = {**self.constants, **constants}
            values |= {self.inputs[name]: array for name, array in zip(names, arrays, strict=True)}
            for step in self.steps[: last + 1]:
                read = [None if index is None else values[index] for index in step.inputs]
                if changed_inputs and step.output in changed_inputs:
                    read[0] = changed_inputs[step.output](read[0])
                values[step.output] = step.compute(*read)
            return {index: values[index] for index in wanted}

        # Shapes are fixed in the file, the batch among them: the samples get an axis of their own.
        found: dict[int, Tensor] = torch.func.vmap(one)(*samples.values())
        return found


def read_graph(path: Path) -> Graph:
    """The graph of a float32 .tflite.

    Raises:
        ConversionError: it has an op that is not known here, or no signature.
    """
    model = read_flatbuffer(path)
    subgraph = model.subgraphs[0]
    arrays = {}
    for index, tensor in enumerate(subgraph.tensors):
        data, dtype = model.buffers[tensor.buffer].data, dtype_of(tensor)
        if data is not None and len(data) and dtype is not None:
            shape = () if tensor.shape is None else tuple(tensor.shape)
            arrays[index] = torch.from_numpy(np.array(data).view(dtype).reshape(shape))
    steps = tuple(_step(model, op, arrays, path) for op in subgraph.operators)
    if not model.signatureDefs:
        raise ConversionError(f"{path}: has no signature that names its inputs and outputs")
    signature = model.signatureDefs[0]
    inputs, outputs = (
        {entry.name.decode(): entry.tensorIndex for entry in side}
        for side in (signature.inputs, signature.outputs)
    )
    return Graph(steps, arrays, inputs, outputs)


def _step(model: Any, op: Any, arrays: Mapping[int, Tensor], path: Path) -> Step:
    kind, tensors = op_kind(model, op), model.subgraphs[0].tensors
    name = tensors[op.outputs[0]].name.decode()
    if kind not in OPERATIONS or len(op.outputs) != 1:
        raise ConversionError(
            f"{path}: learned rounding cannot follow {kind} ('{name}'); choose another algorithm, "
            "such as min-max"
        )
    indices = tuple(None if index < 0 else int(index) for index in op.inputs)
    # Shapes and axes are no numbers to compute with: they are read here, once.
    fixed = {
        place: arrays[index].tolist()
        for place, index in enumerate(indices)
        if index in arrays and not arrays[index].is_floating_point()
    }
    shape = tuple(tensors[op.outputs[0]].shape)
    compute = partial(_called, OPERATIONS[kind], op.builtinOptions, shape, fixed)
    return Step(name, kind, indices, int(op.outputs[0]), op.builtinOptions, compute)


def _called(
    operation: Callable[..., Tensor],
    options: Any,
    shape: tuple[int, ...],
    fixed: Mapping[int, Any],
    *read: Tensor | None,
) -> Tensor:
    arguments = [fixed.get(place, value) for place, value in enumerate(read)]
    return operation(options, shape, *arguments)
