"""From JSON and a list of tensors back to nested Python values."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from checkpoints.tree import NUMPY_DTYPES, PORTABLE, TAG, Json
from chunkport.errors import BadInputError

_FAULTS = (ValueError, TypeError, LookupError, AttributeError, RuntimeError, OverflowError)


def restore(tree: Json, tensors: Sequence[torch.Tensor], *, portable: bool = False) -> Any:
    """Put a checkpoint together again from what `checkpoints.tree.flatten` made of it.

    With `portable`, NumPy values are left as dictionaries that `torch.load(weights_only=True)`
    reads; `revive` turns those into NumPy values.

    Raises:
        BadInputError: the JSON is not one that `flatten` makes.
    """
    try:
        return _Restorer(tensors, portable=portable).decode(tree)
    except _FAULTS as error:  # a RecursionError is a RuntimeError
        reason = str(error).partition("\n")[0]
        raise BadInputError(f"the tree of values cannot be rebuilt ({reason})") from error


def revive(value: Any) -> Any:
    """Replace the dictionaries that stand for NumPy values, in containers at any depth.

    Raises:
        BadInputError: such a dictionary is malformed, or containers hold themselves.
    """
    try:
        return _revived(value)
    except _FAULTS as error:
        reason = str(error).partition("\n")[0]
        raise BadInputError(f"its NumPy values cannot be rebuilt ({reason})") from error


class _Restorer:
    def __init__(self, tensors: Sequence[torch.Tensor], *, portable: bool) -> None:
        self._tensors = tensors
        self._portable = portable
        self._variants: dict[tuple[int, bool, bool], torch.Tensor] = {}
        self._decoders = {
            "float": lambda node: float(node["value"]),
            "tuple": lambda node: tuple(map(self.decode, node["items"])),
            "size": lambda node: torch.Size(node["items"]),
            "dict": lambda node: dict(self._pairs(node)),
            "ordered": self._ordered,
            "tensor": self._tensor,
            "array": self._array,
            "scalar": self._scalar,
        }

    def decode(self, node: Any) -> Any:
        if isinstance(node, list):
            return [self.decode(item) for item in node]
        if not isinstance(node, dict):
            return node
        if TAG not in node:
            return {key: self.decode(item) for key, item in node.items()}
        return self._decoders[node[TAG]](node)

    def _pairs(self, node: dict[str, Any]) -> list[tuple[Any, Any]]:
        return [(self.decode(key), self.decode(item)) for key, item in node["items"]]

    def _ordered(self, node: dict[str, Any]) -> OrderedDict[Any, Any]:
        ordered = OrderedDict(self._pairs(node))
        if "metadata" in node:
            vars(ordered)["_metadata"] = self.decode(node["metadata"])
        return ordered

    def _tensor(self, node: dict[str, Any]) -> torch.Tensor:
        index = node["index"]
        if type(index) is not int or not 0 <= index < len(self._tensors):
            raise ValueError(f"no tensor number {index!r}")
        key = (index, bool(node.get("parameter")), bool(node.get("requires_grad")))
        if key not in self._variants:  # one object each, so that tied weights are tied again
            tensor = self._tensors[index]
            if key[1]:
                tensor = torch.nn.Parameter(tensor, requires_grad=key[2])
            elif key[2]:
                tensor = tensor.detach().requires_grad_()
            self._variants[key] = tensor
        return self._variants[key]

    def _array(self, node: dict[str, Any]) -> Any:
        tensor = self._tensor(node)
        return {PORTABLE: "array", "tensor": tensor} if self._portable else tensor.numpy(force=True)

    def _scalar(self, node: dict[str, Any]) -> Any:
        if self._portable:
            return {PORTABLE: "scalar", "dtype": node["dtype"], "hex": node["hex"]}
        return _numpy_scalar(node["dtype"], node["hex"])


def _revived(value: Any) -> Any:
    if isinstance(value, dict):
        if PORTABLE in value:
            if value[PORTABLE] == "array":
                return value["tensor"].numpy(force=True)
            return _numpy_scalar(value["dtype"], value["hex"])
        for key, item in value.items():
            value[key] = _revived(item)
    elif isinstance(value, list):
        value[:] = map(_revived, value)
    elif type(value) is tuple:
        return tuple(map(_revived, value))
    return value


def _numpy_scalar(dtype: Any, digits: Any) -> np.generic:
    known = {number.name: number for number in NUMPY_DTYPES}
    scalar: np.generic = np.frombuffer(bytes.fromhex(digits), known[dtype])[0]
    return scalar
