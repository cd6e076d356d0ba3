"""From JSON and a list of tensors back to nested Python values."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from checkpoints.nodes import MALFORMED, PORTABLE, Json, decode, sizes
from checkpoints.tree import NUMPY_DTYPES
from chunkport.errors import BadInputError


def restore(tree: Json, tensors: Sequence[torch.Tensor], *, portable: bool = False) -> Any:
    """Put a checkpoint together again from what `checkpoints.tree.flatten` made of it.

    With `portable`, NumPy values are left as dictionaries that `torch.load(weights_only=True)`
    reads; `revive` turns those into NumPy values.

    Raises:
        BadInputError: the JSON is not one that `flatten` makes.
    """
    restorer = _Restorer(tensors, portable=portable)
    return decode(
        tree,
        {
            "size": lambda node: torch.Size(sizes(node["items"])),
            "tensor": restorer.tensor,
            "array": restorer.array,
            "scalar": restorer.scalar,
        },
    )


def revive(value: Any) -> Any:
    """Replace the dictionaries that stand for NumPy values, in containers at any depth.

    Raises:
        BadInputError: such a dictionary is malformed, or containers are nested too deeply.
    """
    try:
        return _revived(value, {})
    except MALFORMED as error:
        reason = str(error).partition("\n")[0]
        raise BadInputError(f"its NumPy values cannot be rebuilt ({reason})") from error


class _Restorer:
    def __init__(self, tensors: Sequence[torch.Tensor], *, portable: bool) -> None:
        self._tensors = tensors
        self._portable = portable
        self._variants: dict[tuple[int, bool, bool], torch.Tensor] = {}

    def tensor(self, node: dict[str, Any]) -> torch.Tensor:
        index = node["index"]
        if type(index) is not int or not 0 <= index < len(self._tensors):
            raise ValueError(f"no tensor number {index!r:.40}")
        key = (index, bool(node.get("parameter")), bool(node.get("requires_grad")))
        if key not in self._variants:  # one object each, so that tied weights are tied again
            tensor = self._tensors[index]
            if key[1]:
                tensor = torch.nn.Parameter(tensor, requires_grad=key[2])
            elif key[2]:
                tensor = tensor.detach().requires_grad_()
            self._variants[key] = tensor
        return self._variants[key]

    def array(self, node: dict[str, Any]) -> Any:
        tensor = self.tensor(node)
        return {PORTABLE: "array", "tensor": tensor} if self._portable else tensor.numpy(force=True)

    def scalar(self, node: dict[str, Any]) -> Any:
        if self._portable:
            return {PORTABLE: "scalar", "dtype": node["dtype"], "hex": node["hex"]}
        return _numpy_scalar(node["dtype"], node["hex"])


def _revived(value: Any, met: dict[int, tuple[Any, Any]]) -> Any:
    """`met` has each container that was met before, kept alive, and what became of it."""
    if not isinstance(value, dict | list | tuple):
        return value
    if id(value) in met:
        return met[id(value)][1]
    met[id(value)] = value, value
    if isinstance(value, dict):
        if PORTABLE in value:
            met[id(value)] = value, _numpy_value(value)
        else:
            for key, item in value.items():
                value[key] = _revived(item, met)
    elif isinstance(value, list):
        value[:] = [_revived(item, met) for item in value]
    elif type(value) is tuple:
        met[id(value)] = value, tuple(_revived(item, met) for item in value)
    return met[id(value)][1]


def _numpy_value(node: dict[Any, Any]) -> Any:
    if node[PORTABLE] == "array":
        return node["tensor"].numpy(force=True)
    return _numpy_scalar(node["dtype"], node["hex"])


def _numpy_scalar(dtype: Any, digits: Any) -> np.generic:
    known = {number.name: number for number in NUMPY_DTYPES}
    scalar: np.generic = np.frombuffer(bytes.fromhex(digits), known[dtype])[0]
    return scalar
