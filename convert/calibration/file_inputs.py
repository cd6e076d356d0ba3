"""The inputs of a .tflite as the file itself names them, and noise of their shapes."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from convert.tflite import dtype_of

if TYPE_CHECKING:
    from wrappers.spec import Arrays


def input_places(model: Any) -> dict[str, int]:
    """Each input's tensor, by the names of the first signature, else by those of the tensors."""
    if model.signatureDefs:
        return {item.name.decode(): item.tensorIndex for item in model.signatureDefs[0].inputs}
    subgraph = model.subgraphs[0]
    return {subgraph.tensors[index].name.decode(): int(index) for index in subgraph.inputs}


def input_shapes(model: Any) -> dict[str, tuple[int, ...]]:
    """The shape of each input."""
    return {
        name: tuple(int(size) for size in model.subgraphs[0].tensors[index].shape)
        for name, index in input_places(model).items()
    }


def draw_noise(model: Any, count: int, seed: int) -> "list[Arrays]":
    """Inputs for a file of which nothing else is known: normal noise, and zeros for integers."""
    tensors, rng = model.subgraphs[0].tensors, np.random.default_rng(seed)
    shapes = input_shapes(model)
    dtypes = {name: dtype_of(tensors[index]) for name, index in input_places(model).items()}

    def draw(name: str) -> NDArray[Any]:
        if dtypes[name] is np.float32:
            return rng.standard_normal(shapes[name], np.float32)
        return np.zeros(shapes[name], dtypes[name])

    return [{name: draw(name) for name in shapes} for _ in range(count)]
