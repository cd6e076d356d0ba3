"""Reading the pickle of a checkpoint without obeying it.

A pickle is a program: it may import any function and call it. Here its instructions are walked one
by one; what it would import is a name, looked up in a list of those that PyTorch itself writes for
tensors, and what it would call is a function of ours that makes a plain value. Nothing is imported,
nothing of the file is run, and any other name or instruction ends the reading.
"""

import pickletools
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from checkpoints.numpy_numbers import NumberType
from chunkport.errors import BadInputError

_NUMBERS = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
_TEXTS = {"UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
_LITERALS = _NUMBERS | _TEXTS | {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8"}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: Mapping[str, Callable[[], Any]] = {
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_MAX_INSTRUCTIONS = 4_000_000  # each may take 200 bytes of memory
_MAX_COPIED_BYTES = 64 << 20  # of all that is handed to calls
_MAX_KEY_PARTS = 1000
_MAX_NAME = 1000
_FAULTS = (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError)


class Unsafe(Exception):  # noqa: N818  # carries a name, and never leaves this package
    """The pickle asks for something that is more than tensors and plain values; the name of it."""


@dataclass(frozen=True)
class Name:
    """Something that the pickle would import: `torch._utils._rebuild_tensor_v2`."""

    full: str


Vocabulary = Mapping[str, Callable[..., Any] | None]
"""What a pickle may name, and what is done when it calls that; None for a mere name."""


def read_pickle(
    content: bytes, vocabulary: Vocabulary, persistent: Callable[[Any], Any], file: Path
) -> Any:
    """The value that `content` describes.

    Args:
        content: the pickle.
        vocabulary: see above.
        persistent: makes a value of a persistent id, which PyTorch uses for storages.
        file: for messages.

    Raises:
        BadInputError: it asks for more, is damaged, or is no pickle.
    """
    machine = _Machine(vocabulary, persistent)
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(content)):
            if count > _MAX_INSTRUCTIONS:
                raise ValueError(f"more than {_MAX_INSTRUCTIONS} instructions")
            if opcode.name == "STOP":
                return machine.stack.pop()
            _step(machine, opcode.name, argument)
        raise ValueError("no end")
    except Unsafe as error:
        raise unsafe(file, str(error)) from error
    except _FAULTS as error:
        reason = " ".join(str(error).split())[:200]
        raise unreadable(file, reason) from error


def bounded_key(key: Any) -> Any:
    """A key as it is, unless it is a tuple of tuples that would take for ever to hash.

    Raises:
        ValueError: it is.
    """
    parts, count = [key], 0
    while parts:
        part = parts.pop()
        if type(part) is tuple:
            count += len(part)
            if count > _MAX_KEY_PARTS:
                raise ValueError(f"a key of more than {_MAX_KEY_PARTS} parts")
            parts += part
    return key


def unsafe(file: Path, asked: str) -> BadInputError:
    """The error for a pickle that needs more than tensors and plain values, namely `asked`."""
    return BadInputError(
        f"{file}: asks for {asked}, which is more than tensors and plain values, so it was not "
        "loaded; save its state_dict() instead of the object"
    )


def unreadable(file: Path, reason: str) -> BadInputError:
    """The error for a pickle that contradicts itself or its archive."""
    return BadInputError(
        f"{file}: its pickle cannot be read ({reason}); save it again with torch.save"
    )


@dataclass
class _Machine:
    vocabulary: Vocabulary
    persistent: Callable[[Any], Any]
    stack: list[Any] = field(default_factory=list)
    below: list[list[Any]] = field(default_factory=list)  # the stacks under each open mark
    memo: dict[int, Any] = field(default_factory=dict)
    copied: int = 0

    def since_mark(self) -> list[Any]:
        """What lies above the last mark, which is taken away with it."""
        items, self.stack = self.stack, self.below.pop()
        return items


def _step(machine: _Machine, name: str, argument: Any) -> None:
    """Carry out one instruction."""
    stack = machine.stack
    if name in _LITERALS:
        stack.append(argument)
    elif name in _CONSTANTS:
        stack.append(_CONSTANTS[name])
    elif name in _EMPTY:
        stack.append(_EMPTY[name]())
    elif name in _TUPLES:
        items = [stack.pop() for _ in range(_TUPLES[name])]
        stack.append(tuple(reversed(items)))
    elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
        machine.memo[argument] = stack[-1]
    elif name in ("GET", "BINGET", "LONG_BINGET"):
        stack.append(machine.memo[argument])
    elif name == "GLOBAL":
        _name(machine, argument.replace(" ", "."))
    elif name not in ("PROTO", "FRAME"):
        if name not in _ACTIONS:
            raise Unsafe(f"the instruction {name}")
        _ACTIONS[name](machine)


def _mark(machine: _Machine) -> None:
    machine.below.append(machine.stack)
    machine.stack = []


def _memoize(machine: _Machine) -> None:
    machine.memo[len(machine.memo)] = machine.stack[-1]


def _tuple(machine: _Machine) -> None:
    items = tuple(machine.since_mark())
    machine.stack.append(items)


def _list(machine: _Machine) -> None:
    items = machine.since_mark()
    machine.stack.append(items)


def _append(machine: _Machine) -> None:
    item = machine.stack.pop()
    _expect(machine.stack[-1], list).append(item)


def _appends(machine: _Machine) -> None:
    items = machine.since_mark()
    _expect(machine.stack[-1], list).extend(items)


def _add_items(machine: _Machine) -> None:
    items = machine.since_mark()
    _expect(machine.stack[-1], set).update(map(bounded_key, items))


def _dict(machine: _Machine) -> None:
    items = machine.since_mark()
    machine.stack.append(dict(_pairs(items)))


def _set_item(machine: _Machine) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    _expect(machine.stack[-1], dict)[bounded_key(key)] = value


def _set_items(machine: _Machine) -> None:
    items = machine.since_mark()
    _expect(machine.stack[-1], dict).update(_pairs(items))


def _pairs(items: list[Any]) -> Iterator[tuple[Any, Any]]:
    return zip(map(bounded_key, items[::2]), items[1::2], strict=True)


def _stack_global(machine: _Machine) -> None:
    name, module = machine.stack.pop(), machine.stack.pop()
    if not all(type(text) is str and len(text) < _MAX_NAME for text in (module, name)):
        raise ValueError("a name that is none")
    _name(machine, f"{module}.{name}")


def _name(machine: _Machine, full: str) -> None:
    if full not in machine.vocabulary:
        raise Unsafe(ascii(full)[1:-1][:200])
    machine.stack.append(Name(full))


def _reduce(machine: _Machine) -> None:
    arguments, called = machine.stack.pop(), machine.stack.pop()
    action = machine.vocabulary[called.full] if isinstance(called, Name) else None
    if action is None:
        raise Unsafe("a call of what is no function")
    machine.copied += sum(map(_copied_bytes, _expect(arguments, tuple)))
    if machine.copied > _MAX_COPIED_BYTES:
        raise ValueError(f"calls that copy more than {_MAX_COPIED_BYTES >> 20} MiB")
    machine.stack.append(action(*arguments))


def _copied_bytes(argument: Any) -> int:
    """About what a call copies of it: a container's references, a text's characters."""
    if isinstance(argument, list | tuple | dict | set):
        return 8 * len(argument)
    return len(argument) if isinstance(argument, str | bytes) else 0


def _build(machine: _Machine) -> None:
    state = machine.stack.pop()
    if isinstance(machine.stack[-1], NumberType):
        machine.stack[-1].check_state(state)
        return
    ordered = _expect(machine.stack[-1], OrderedDict)
    if isinstance(state, dict) and isinstance(state.get("_metadata"), dict):
        vars(ordered)["_metadata"] = state["_metadata"]  # versions that state_dict() puts there


def _persistent(machine: _Machine) -> None:
    machine.stack.append(machine.persistent(machine.stack.pop()))


_ACTIONS: Mapping[str, Callable[[_Machine], None]] = {
    "MARK": _mark,
    "MEMOIZE": _memoize,
    "TUPLE": _tuple,
    "LIST": _list,
    "APPEND": _append,
    "APPENDS": _appends,
    "ADDITEMS": _add_items,
    "DICT": _dict,
    "SETITEM": _set_item,
    "SETITEMS": _set_items,
    "STACK_GLOBAL": _stack_global,
    "REDUCE": _reduce,
    "BUILD": _build,
    "BINPERSID": _persistent,
}


def _expect(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"expected a {kind.__name__}, found a {type(value).__name__}")
    return value
