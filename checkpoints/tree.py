"""Nested Python values as JSON plus a list of tensors.

JSON has no tuples, no integer keys and no NaN, so such values become an object whose key `$` says
what it stands for. A tensor becomes its number in the list. Tensors that are the same memory seen
the same way (tied weights) get one number, and are one tensor again when restored.
"""

import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import torch

from checkpoints.memory import DTYPE_NAMES
from chunkport.errors import UsageError

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

TAG = "$"
"""Key of a JSON object that stands for something else than a dictionary with string keys."""

PORTABLE = "__chunkport__"
"""Key of the dictionary that stands for a NumPy value where NumPy values cannot be stored."""

_NUMPY_NAMES = ["bool", "float16", "float32", "float64", "complex64", "complex128"]
_NUMPY_NAMES += [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
NUMPY_DTYPES = frozenset(np.dtype(name) for name in _NUMPY_NAMES)
"""Types of NumPy arrays and numbers that a checkpoint may hold, in the machine's byte order."""

_MAX_DEPTH = 100
_MAX_INT_BITS = 14_000  # Python reads no integers of more than 4300 digits
_MAX_NAME = 1000
_CONTAINERS = (list, tuple, torch.Size, dict, OrderedDict)
_NUMBERS_AND_NAMES = (type(None), bool, int, float, str)


@dataclass(frozen=True, eq=False)
class Leaf:
    """A tensor of the tree.

    Attributes:
        name: its place, the keys on the way joined by `/`; made unique by `#2`, `#3`, ...
        group: the top-level state dict that it came from, "" for a tensor that is in none.
        tensor: detached, on its own device, not necessarily contiguous.
    """

    name: str
    group: str
    tensor: torch.Tensor

    @property
    def dtype_name(self) -> str:
        """`float32`, `bfloat16`, ..."""
        return DTYPE_NAMES[self.tensor.dtype]


def flatten(value: Mapping[str, Any]) -> tuple[Json, tuple[Leaf, ...]]:
    """Take a checkpoint apart; `checkpoints.restoring.restore` is the way back.

    Holds None, bool, int, float, str, list, tuple, dict, OrderedDict, torch.Size, strided tensors,
    parameters, and NumPy numbers and arrays. Strides are not kept: tensors come back contiguous.

    Raises:
        UsageError: it holds anything else; the message says where.
    """
    for key in value:
        if type(key) is not str:
            raise UsageError(
                f"checkpoint: the top-level key {key!r:.60} is not a string; rename it"
            )
    flattener = _Flattener()
    tree = flattener.encode(value if type(value) in _CONTAINERS else dict(value), ())
    return tree, tuple(flattener.leaves)


@dataclass
class _Flattener:
    leaves: list[Leaf] = field(default_factory=list)
    numbers: dict[object, int] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    open_containers: set[int] = field(default_factory=set)

    def encode(self, value: Any, path: tuple[str, ...]) -> Json:
        if type(value) in _NUMBERS_AND_NAMES:
            return _plain(value, path)
        if type(value) in _CONTAINERS:
            return self._container(value, path)
        if isinstance(value, torch.Tensor):
            return self._tensor(value, path)
        if isinstance(value, np.generic) and value.dtype in NUMPY_DTYPES:
            return {TAG: "scalar", "dtype": value.dtype.name, "hex": value.tobytes().hex()}
        if type(value) is np.ndarray and value.dtype in NUMPY_DTYPES:
            # a copy, because torch shares no read-only or backward-running memory
            return {TAG: "array", "index": self._add(torch.from_numpy(value.copy("C")), path)}
        kind = type(value)
        raise _refusal(path, f"a value of type {kind.__module__}.{kind.__qualname__}")

    def _container(self, value: Any, path: tuple[str, ...]) -> Json:
        if id(value) in self.open_containers:
            raise _refusal(path, "a container that holds itself")
        if len(path) > _MAX_DEPTH:
            raise _refusal(path[:8], f"containers nested deeper than {_MAX_DEPTH}")
        self.open_containers.add(id(value))
        try:
            if isinstance(value, dict):
                return self._mapping(value, path)
            items = [self.encode(item, (*path, str(i))) for i, item in enumerate(value)]
        finally:
            self.open_containers.remove(id(value))
        if type(value) is list:
            return items
        return {TAG: "size" if type(value) is torch.Size else "tuple", "items": items}

    def _mapping(self, value: dict[Any, Any], path: tuple[str, ...]) -> Json:
        if PORTABLE in value:
            raise _refusal(path, f"the reserved key {PORTABLE!r}")
        ordered = type(value) is OrderedDict
        if not ordered and TAG not in value and all(type(key) is str for key in value):
            return {key: self.encode(item, (*path, key)) for key, item in value.items()}
        pairs: list[Json] = []
        for key, item in value.items():
            pairs.append([_key(key, path), self.encode(item, (*path, str(key)))])
        node: dict[str, Json] = {TAG: "ordered" if ordered else "dict", "items": pairs}
        metadata = getattr(value, "_metadata", None)  # versions that state_dict() puts there
        if ordered and metadata is not None:
            node["metadata"] = self.encode(metadata, (*path, "_metadata"))
        return node

    def _tensor(self, value: torch.Tensor, path: tuple[str, ...]) -> Json:
        parameter = type(value) is torch.nn.Parameter
        if not parameter and type(value) is not torch.Tensor:
            raise _refusal(path, f"a tensor of type {type(value).__qualname__}")
        if value.layout is not torch.strided or value.is_quantized or value.is_meta:
            raise _refusal(path, "a tensor that is sparse, quantized or without data")
        if value.dtype not in DTYPE_NAMES:
            raise _refusal(path, f"a tensor of {value.dtype}")
        node: dict[str, Json] = {TAG: "tensor", "index": self._add(value.detach(), path)}
        if parameter:
            node["parameter"] = True
        if value.requires_grad:
            node["requires_grad"] = True
        return node

    def _add(self, tensor: torch.Tensor, path: tuple[str, ...]) -> int:
        memory = tensor.data_ptr() if tensor.numel() else len(self.leaves)
        view = (tensor.shape, tensor.stride(), tensor.is_conj(), tensor.is_neg())
        identity = (tensor.device, memory, tensor.dtype, view)
        if identity not in self.numbers:
            self.numbers[identity] = len(self.leaves)
            group = path[0] if len(path) > 1 else ""
            self.leaves.append(Leaf(self._unique("/".join(path)), group, tensor))
        return self.numbers[identity]

    def _unique(self, name: str) -> str:
        name = name if len(name) <= _MAX_NAME else f"{name[:_MAX_NAME]}..."
        candidate, count = name, 1
        while candidate in self.names:
            count += 1
            candidate = f"{name}#{count}"
        self.names.add(candidate)
        return candidate


def _plain(value: float | str | None, path: tuple[str, ...]) -> Json:
    if isinstance(value, int) and value.bit_length() > _MAX_INT_BITS:
        raise _refusal(path, f"an integer of more than {_MAX_INT_BITS} bits")
    if isinstance(value, float) and not math.isfinite(value):
        return {TAG: "float", "value": str(value)}
    return value


def _key(key: Any, path: tuple[str, ...]) -> Json:
    if type(key) is tuple:
        return {TAG: "tuple", "items": [_key(part, path) for part in key]}
    if type(key) not in _NUMBERS_AND_NAMES:
        raise _refusal(path, f"a key of type {type(key).__qualname__}")
    return _plain(key, path)


def _refusal(path: tuple[str, ...], what: str) -> UsageError:
    place = "/".join(path) or "the top level"
    return UsageError(
        f"checkpoint: {place} holds {what}, which is not stored; use tensors, numbers, strings, "
        "lists, tuples or dictionaries"
    )
