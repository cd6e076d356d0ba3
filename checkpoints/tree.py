"""Nested Python values to JSON plus a list of tensors, and back, exactly.

JSON has no tuples, no integer keys and no NaN, so such values become an object whose key `$` says
what it stands for. A tensor becomes its number in the list. Tensors that are the same memory seen
the same way (tied weights) get one number, and are one tensor again afterwards.
"""

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import torch

from chunkport.errors import BadInputError, UsageError

Json: TypeAlias = "None | bool | int | float | str | list[Json] | dict[str, Json]"

TAG = "$"
PORTABLE = "__chunkport__"
"""Key of the dictionary that stands for a NumPy value where NumPy values cannot be stored."""

_MAX_DEPTH = 100
_MAX_INT_BITS = 14_000  # Python refuses to read integers of more than 4300 digits
_NUMPY_DTYPES = frozenset(
    np.dtype(name)
    for name in (
        "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 "
        "float16 float32 float64 complex64 complex128"
    ).split()
)
TORCH_DTYPES: Mapping[str, torch.dtype] = {
    name: getattr(torch, name)
    for name in (
        "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 "
        "float16 bfloat16 float32 float64 complex64 complex128 "
        "float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz"
    ).split()
}
_DTYPE_NAMES = {dtype: name for name, dtype in TORCH_DTYPES.items()}


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
        return _DTYPE_NAMES[self.tensor.dtype]


@dataclass
class _Flattener:
    leaves: list[Leaf] = field(default_factory=list)
    numbers: dict[object, int] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    open_containers: set[int] = field(default_factory=set)

    def encode(self, value: Any, path: tuple[str, ...]) -> Json:
        kind = type(value)
        if value is None or kind is bool or kind is str:
            return value  # type: ignore[no-any-return]  # `kind` narrows nothing for mypy
        if kind is int:
            if abs(value).bit_length() > _MAX_INT_BITS:
                raise _refusal(path, "an integer of more than 4200 digits")
            return int(value)
        if kind is float:
            return value if math.isfinite(value) else {TAG: "float", "value": str(value)}
        if kind in (list, tuple, torch.Size, dict, OrderedDict):
            return self._container(value, path)
        if isinstance(value, torch.Tensor):
            return self._tensor(value, path)
        if kind is np.ndarray and value.dtype in _NUMPY_DTYPES and value.dtype.isnative:
            # a copy, because torch shares no read-only or backward-running memory
            return {TAG: "array", "index": self._add(torch.from_numpy(value.copy("C")), path)}
        if isinstance(value, np.generic) and value.dtype in _NUMPY_DTYPES:
            return {TAG: "scalar", "dtype": value.dtype.name, "hex": value.tobytes().hex()}
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
            if not _is_plain_key(key):
                raise _refusal(path, f"the key {key!r:.60}")
            pairs.append([self.encode(key, path), self.encode(item, (*path, str(key)))])
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
        if value.dtype not in _DTYPE_NAMES:
            raise _refusal(path, f"a tensor of {value.dtype}")
        node: dict[str, Json] = {TAG: "tensor", "index": self._add(value.detach(), path)}
        if parameter:
            node["parameter"] = True
        if value.requires_grad:
            node["requires_grad"] = True
        return node

    def _add(self, tensor: torch.Tensor, path: tuple[str, ...]) -> int:
        memory = tensor.data_ptr() if tensor.numel() else id(tensor)
        view = (tensor.shape, tensor.stride(), tensor.is_conj(), tensor.is_neg())
        identity = (tensor.device, memory, tensor.dtype, view)
        if identity not in self.numbers:
            self.numbers[identity] = len(self.leaves)
            group = path[0] if len(path) > 1 else ""
            self.leaves.append(Leaf(self._unique("/".join(path)), group, tensor))
        return self.numbers[identity]

    def _unique(self, name: str) -> str:
        name = name if len(name) <= 1000 else f"{name[:990]}..."  # noqa: PLR2004  # a file's header
        candidate, count = name, 1
        while candidate in self.names:
            count += 1
            candidate = f"{name}#{count}"
        self.names.add(candidate)
        return candidate


def flatten(value: Mapping[str, Any]) -> tuple[Json, tuple[Leaf, ...]]:
    """Take a checkpoint apart; see `restore` for the way back.

    Holds None, bool, int, float, str, list, tuple, dict, OrderedDict, torch.Size, strided tensors,
    parameters, and NumPy numbers and arrays. Strides are not kept: tensors come back contiguous.

    Raises:
        UsageError: it holds anything else; the message says where.
    """
    flattener = _Flattener()
    for key in value:
        if type(key) is not str:
            raise UsageError(
                f"checkpoint: the top-level key {key!r:.60} is not a string; rename it"
            )
    data = value if type(value) in (dict, OrderedDict) else dict(value)
    tree = flattener.encode(data, ())
    return tree, tuple(flattener.leaves)


def restore(tree: Json, tensors: Sequence[torch.Tensor], *, portable: bool = False) -> Any:
    """Put a checkpoint together again from its JSON and its tensors.

    With `portable`, NumPy values are left as dictionaries that `torch.load(weights_only=True)`
    reads; `revive` turns those into NumPy values.

    Raises:
        BadInputError: the JSON is not one that `flatten` makes.
    """
    parameters: dict[tuple[int, bool], torch.nn.Parameter] = {}

    def tensor(node: dict[str, Json]) -> torch.Tensor:
        index = node["index"]
        if type(index) is not int or not 0 <= index < len(tensors):
            raise ValueError(f"no tensor number {index!r}")
        needs_grad = bool(node.get("requires_grad"))
        if node.get("parameter"):
            key = (index, needs_grad)
            if key not in parameters:
                parameters[key] = torch.nn.Parameter(tensors[index], requires_grad=needs_grad)
            return parameters[key]
        if needs_grad and not tensors[index].requires_grad:
            return tensors[index].detach().requires_grad_()
        return tensors[index]

    def decode(node: Any) -> Any:
        if isinstance(node, list):
            return [decode(item) for item in node]
        if not isinstance(node, dict):
            return node
        match node.get(TAG):
            case None:
                return {key: decode(item) for key, item in node.items()}
            case "float":
                return float(node["value"])
            case "tuple":
                return tuple(decode(item) for item in node["items"])
            case "size":
                return torch.Size(node["items"])
            case "dict":
                return {decode(key): decode(item) for key, item in node["items"]}
            case "ordered":
                ordered = OrderedDict((decode(key), decode(item)) for key, item in node["items"])
                if "metadata" in node:
                    ordered._metadata = decode(node["metadata"])  # type: ignore[attr-defined]  # noqa: SLF001  # where state_dict() keeps it
                return ordered
            case "tensor":
                return tensor(node)
            case "array" if portable:
                return {PORTABLE: "array", "tensor": tensor(node)}
            case "array":
                return tensor(node).numpy(force=True)
            case "scalar" if portable:
                return {PORTABLE: "scalar", "dtype": node["dtype"], "hex": node["hex"]}
            case "scalar":
                return _numpy_scalar(node["dtype"], node["hex"])
            case unknown:
                raise ValueError(f"unknown tag {unknown!r}")

    try:
        return decode(tree)
    except (ValueError, TypeError, KeyError, RuntimeError, RecursionError) as error:
        raise BadInputError(f"the tree of values cannot be rebuilt ({error})") from error


def revive(value: Any) -> Any:
    """Replace the dictionaries that stand for NumPy values, in containers at any depth.

    Raises:
        BadInputError: such a dictionary is malformed.
    """
    if isinstance(value, dict):
        if PORTABLE in value:
            try:
                if value[PORTABLE] == "array":
                    return value["tensor"].numpy(force=True)
                return _numpy_scalar(value["dtype"], value["hex"])
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise BadInputError(f"malformed NumPy value ({error!r})") from error
        for key, item in value.items():
            value[key] = revive(item)
    elif isinstance(value, list):
        value[:] = [revive(item) for item in value]
    elif type(value) is tuple:
        return tuple(revive(item) for item in value)
    return value


def _numpy_scalar(dtype: Any, digits: Any) -> np.generic:
    number = np.dtype(dtype)
    if number not in _NUMPY_DTYPES:
        raise ValueError(f"not a number type: {dtype!r}")
    scalar: np.generic = np.frombuffer(bytes.fromhex(digits), number, 1)[0]
    return scalar


def _is_plain_key(key: Any) -> bool:
    if type(key) is tuple:
        return all(_is_plain_key(part) for part in key)
    return key is None or type(key) in (str, int, float, bool)


def _refusal(path: tuple[str, ...], what: str) -> UsageError:
    place = "/".join(path) or "the top level"
    return UsageError(
        f"checkpoint: {place} holds {what}, which is not stored; use tensors, numbers, strings, "
        "lists, tuples or dictionaries"
    )
