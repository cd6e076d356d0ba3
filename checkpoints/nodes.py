"""Nested Python values as JSON, with numbers where the tensors were. Needs no torch.

JSON has no tuples, no integer keys and no NaN, so such values become an object whose key `$` says
what it stands for. What a tensor is, and what else may be stored, is for the caller to say:
checkpoints.tree for values in memory, checkpoints.disk_source for tensors on disk.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

from chunkport.errors import BadInputError, UsageError

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Path: TypeAlias = tuple[str, ...]
"""The keys on the way to a value."""

TAG = "$"
"""Key of a JSON object that stands for something else than a dictionary with string keys."""

PORTABLE = "__chunkport__"
"""Key of the dictionary that stands for a NumPy value where NumPy values cannot be stored."""

MALFORMED = (ValueError, TypeError, LookupError, AttributeError, RuntimeError, OverflowError)
"""What rebuilding values from JSON of another make can end in; a RecursionError is among them."""

_MAX_DEPTH = 100
_MAX_INT_BITS = 14_000  # Python reads no integers of more than 4300 digits
_MAX_NAME = 1000
_MAX_SIZE = 1 << 62
_CONTAINERS = (list, tuple, dict, OrderedDict)
_NUMBERS_AND_NAMES = (type(None), bool, int, float, str)
_Tensor = TypeVar("_Tensor")


@dataclass(frozen=True, eq=False)
class Leaf(Generic[_Tensor]):
    """A tensor of the tree.

    Attributes:
        name: its place, the keys on the way joined by `/`; made unique by `#2`, `#3`, ...
        group: the top-level state dict that it came from, "" for a tensor that is in none.
        dtype_name: `float32`, `bfloat16`, ...
        shape: the tensor's.
        tensor: the tensor itself, or where it is to be had.
    """

    name: str
    group: str
    dtype_name: str
    shape: tuple[int, ...]
    tensor: _Tensor


@dataclass
class Leaves(Generic[_Tensor]):
    """The tensors found so far, each once however often it was met."""

    found: list[Leaf[_Tensor]] = field(default_factory=list)
    _numbers: dict[object, int] = field(default_factory=dict)
    _names: set[str] = field(default_factory=set)

    def number(
        self, tensor: _Tensor, dtype_name: str, shape: tuple[int, ...], identity: object, path: Path
    ) -> int:
        """The tensor's number in the tree; tensors of one `identity` share it."""
        if identity not in self._numbers:
            self._numbers[identity] = len(self.found)
            group = path[0] if len(path) > 1 else ""
            name = unique_name("/".join(path), self._names)
            self.found.append(Leaf(name, group, dtype_name, shape, tensor))
        return self._numbers[identity]


def unique_name(name: str, taken: set[str]) -> str:
    """The name, shortened, with `#2`, `#3`, ... where it is taken; it is taken from then on."""
    name = name if len(name) <= _MAX_NAME else f"{name[:_MAX_NAME]}..."
    candidate, count = name, 1
    while candidate in taken:
        count += 1
        candidate = f"{name}#{count}"
    taken.add(candidate)
    return candidate


def encode(value: Mapping[str, Any], special: Callable[[Any, Path], Json]) -> Json:
    """Write a checkpoint as JSON; `special` writes what is neither plain nor a container.

    Raises:
        UsageError: a value that is not stored; the message says where.
    """
    if not isinstance(value, Mapping):
        raise UsageError(
            f"checkpoint: is a {type(value).__name__}; give a dictionary, such as a state_dict()"
        )
    for key in value:
        if type(key) is not str:
            raise UsageError(
                f"checkpoint: the top-level key {key!r:.60} is not a string; rename it"
            )
    return _Encoder(special).encode(value if type(value) in _CONTAINERS else dict(value), ())


def decode(node: Json, special: Mapping[str, Callable[[dict[str, Any]], Any]]) -> Any:
    """The way back; `special` reads, by their tag, the objects that `encode`'s wrote.

    Raises:
        BadInputError: the JSON is not one that `encode` makes.
    """
    try:
        return _Decoder(special).decode(node)
    except MALFORMED as error:
        reason = str(error).partition("\n")[0]
        raise BadInputError(f"the tree of values cannot be rebuilt ({reason})") from error


def sizes(items: Any) -> tuple[int, ...]:
    """The items of a torch.Size, which holds larger numbers and then breaks when it is shown.

    Raises:
        ValueError: they are no sizes.
    """
    if not all(type(size) is int and abs(size) <= _MAX_SIZE for size in items):
        raise ValueError("a size that is none")
    return tuple(items)


def refusal(path: Path, what: str) -> UsageError:
    """The error for a value that is not stored."""
    place = "/".join(path) or "the top level"
    return UsageError(
        f"checkpoint: {place} holds {what}, which is not stored; use tensors, numbers, strings, "
        "lists, tuples or dictionaries"
    )


@dataclass
class _Encoder:
    special: Callable[[Any, Path], Json]
    open_containers: set[int] = field(default_factory=set)

    def encode(self, value: Any, path: Path) -> Json:
        if type(value) in _NUMBERS_AND_NAMES:
            return _plain(value, path)
        if type(value) in _CONTAINERS:
            return self._container(value, path)
        return self.special(value, path)

    def _container(self, value: Any, path: Path) -> Json:
        if id(value) in self.open_containers:
            raise refusal(path, "a container that holds itself")
        if len(path) > _MAX_DEPTH:
            raise refusal(path[:8], f"containers nested deeper than {_MAX_DEPTH}")
        self.open_containers.add(id(value))
        try:
            if isinstance(value, dict):
                return self._mapping(value, path)
            items = [self.encode(item, (*path, str(i))) for i, item in enumerate(value)]
        finally:
            self.open_containers.remove(id(value))
        return items if type(value) is list else {TAG: "tuple", "items": items}

    def _mapping(self, value: dict[Any, Any], path: Path) -> Json:
        if PORTABLE in value:
            raise refusal(path, f"the reserved key {PORTABLE!r}")
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


class _Decoder:
    def __init__(self, special: Mapping[str, Callable[[dict[str, Any]], Any]]) -> None:
        self._decoders: dict[str, Callable[[dict[str, Any]], Any]] = {
            "float": lambda node: float(node["value"]),
            "tuple": lambda node: tuple(map(self.decode, node["items"])),
            "dict": lambda node: dict(self._pairs(node)),
            "ordered": self._ordered,
            **special,
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


def _plain(value: float | str | None, path: Path) -> Json:
    if isinstance(value, int) and value.bit_length() > _MAX_INT_BITS:
        raise refusal(path, f"an integer of more than {_MAX_INT_BITS} bits")
    if isinstance(value, float) and not math.isfinite(value):
        return {TAG: "float", "value": str(value)}
    return value


def _key(key: Any, path: Path) -> Json:
    if type(key) is tuple:
        return {TAG: "tuple", "items": [_key(part, path) for part in key]}
    if type(key) not in _NUMBERS_AND_NAMES:
        raise refusal(path, f"a key of type {type(key).__qualname__}")
    return _plain(key, path)
