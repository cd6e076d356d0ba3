"""The ops of a .tflite in the order in which they run, with what they take and give."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chunkport.errors import BadInputError
from convert.tensor_names import module_path
from convert.tflite import dtype_of, op_kind, read_flatbuffer, values_of


@dataclass(frozen=True, eq=False)
class Tensor:
    """One tensor of the main subgraph.

    Attributes:
        index: its number in the file.
        name: as the converter wrote it.
        shape: of its values; -1 where the file leaves a size open.
        dtype: of its values; None where NumPy has none.
        constant: the values, where they lie in the file.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: type[np.generic] | None
    constant: NDArray[Any] | None

    @property
    def floating(self) -> bool:
        """Whether it holds float32 values."""
        return self.dtype is np.float32

    @property
    def module(self) -> str | None:
        """The wrapper's module that it belongs to, as named_modules() has it."""
        path = module_path(self.name)
        return ".".join(path) if path else None


@dataclass(frozen=True, eq=False)
class Op:
    """One op of the main subgraph."""

    index: int
    kind: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    @property
    def label(self) -> str:
        """Its place and kind."""
        return f"#{self.index} {self.kind}"

    @property
    def runtime_inputs(self) -> tuple[Tensor, ...]:
        """The inputs that are no constants."""
        return tuple(item for item in self.inputs if item.constant is None)

    @property
    def module(self) -> str | None:
        """The wrapper's module that it came from."""
        places = (tensor.module for tensor in (*self.outputs, *self.inputs))
        return next((place for place in places if place), None)


def read_ops(path: Path) -> list[Op]:
    """The ops of the file's main subgraph.

    Raises:
        BadInputError: it is no .tflite, or a damaged one.
    """
    model = read_flatbuffer(path)
    try:
        subgraph = model.subgraphs[0]
        tensors = [_tensor(model, index, item) for index, item in enumerate(subgraph.tensors)]
        return [
            Op(
                number,
                op_kind(model, op),
                tuple(tensors[index] for index in op.inputs if index >= 0),
                tuple(tensors[index] for index in op.outputs),
            )
            for number, op in enumerate(subgraph.operators)
        ]
    except (IndexError, TypeError, AttributeError, ValueError) as error:
        raise BadInputError(f"{path}: is damaged ({error}); convert it again") from error


def _tensor(model: Any, index: int, tensor: Any) -> Tensor:
    dtype = dtype_of(tensor)
    shape = () if tensor.shape is None else tuple(int(size) for size in tensor.shape)
    constant = values_of(model, tensor)
    if tensor.shapeSignature is not None and constant is None:
        shape = tuple(int(size) for size in tensor.shapeSignature)
    return Tensor(index, tensor.name.decode(errors="replace"), shape, dtype, constant)
