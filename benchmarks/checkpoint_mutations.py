"""Wrong manifests, pickles and files, made of right ones: each from a random number generator."""

import json
import pickle
import pickletools
import zipfile
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from checkpoints.manifest import document_text

_ODD_NUMBERS = (
    -1,
    0,
    1,
    2,
    255,
    1 << 31,
    (1 << 31) - 1,
    1 << 62,
    1 << 63,
    1 << 64,
    10**40,
    -(10**9),
)
_ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0.5, -0.0, 1e308, "", "x", "../x", "C:x", "\0", "\ud800", "a" * 5000),
    *([], {}, [[]], [0, 1], {"$": "tensor"}, {"$": "tuple", "items": [1]}, {"$": []}),
    *("00000000", "ffffffff", "0" * 64, "float32", "complex128", "1.1", "2.0", "1.9"),
)
_TAGS = ("tensor", "array", "size", "scalar", "float", "tuple", "dict", "ordered", "eval", "")
_NAMES = (
    *("os system", "posix system", "builtins eval", "builtins exec", "builtins getattr"),
    *("builtins open", "subprocess Popen", "functools partial", "operator attrgetter"),
    *("torch.storage _load_from_bytes", "torch load", "torch.hub load", "runpy run_path"),
    *("torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_tensor_v3", "torch Size"),
    *("torch._utils _rebuild_parameter", "collections OrderedDict", "collections Counter"),
    *("torch FloatStorage", "torch.storage UntypedStorage", "torch device", "torch float32"),
    *("_codecs encode", "builtins set", "builtins complex", "torch._utils _rebuild_qtensor"),
)
_MAX_CHANGES = 4
_BYTEWISE = 0.3  # of the cases
_UNSEALED = 0.05


def flip_bit(content: bytes, random: Random) -> tuple[bytes, int]:
    """The content with one bit changed, and the number of its byte."""
    position = random.randrange(len(content))
    changed = bytearray(content)
    changed[position] ^= 1 << random.randrange(8)
    return bytes(changed), position


def mutate_bytes(content: bytes, random: Random) -> bytes:
    """The content with a few of its bytes changed, cut out, repeated or put in."""
    changed = bytearray(content)
    for _ in range(random.randint(1, _MAX_CHANGES)):
        start = random.randrange(len(changed) + 1)
        stop = min(len(changed), start + random.choice((1, 1, 2, 8, 100)))
        match random.randrange(5):
            case 0:
                changed[start:stop] = random.randbytes(stop - start)
            case 1:
                del changed[start:stop]
            case 2:
                changed[start:start] = changed[start:stop] * random.choice((1, 2, 50))
            case 3:
                changed[start:start] = random.randbytes(random.choice((1, 4)))
            case _:
                other = random.randrange(len(changed) + 1)
                changed[start:stop] = changed[other : other + stop - start]
    return bytes(changed)


def mutate_manifest(text: str, random: Random) -> str:
    """The manifest with a few of its values changed, and mostly sealed again as a forger would."""
    if random.random() < _BYTEWISE:
        changed = mutate_bytes(text.encode(), random).decode("utf-8", "replace")
        try:
            document = json.loads(changed)
        except (ValueError, RecursionError):
            return changed
    else:
        document = json.loads(text)
        for _ in range(random.randint(1, _MAX_CHANGES)):
            _change_value(document, random)
    if not isinstance(document, dict) or random.random() < _UNSEALED:
        return json.dumps(document)
    try:
        return document_text(document)
    except ValueError:  # half of a surrogate pair, in a document that bytes were changed in
        return json.dumps(document)


def _change_value(document: Any, random: Random) -> None:
    places = list(_places(document))
    if not places:
        return
    container, key = random.choice(places)
    value = container[key]
    match random.randrange(8):
        case 0:
            del container[key]
        case 1:
            container[key] = random.choice(_ODD_VALUES)
        case 2:
            container[key] = random.choice(_ODD_NUMBERS)
        case 3 if type(value) is int:
            container[key] = value + random.choice((-1, 1, -value * 2, 1 << 20))
        case 4:
            other, other_key = random.choice(places)
            container[key] = json.loads(json.dumps(other[other_key]))
        case 5 if isinstance(value, list) and value:
            value.append(json.loads(json.dumps(random.choice(value))))
        case 6 if isinstance(value, dict):
            value["$"] = random.choice(_TAGS)
        case _:
            container[key] = random.choice(([value], str(value)))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Where each value stands: its container, and its key there."""
    keys: Any = ()
    if isinstance(value, dict):
        keys = list(value)
    elif isinstance(value, list):
        keys = range(len(value))
    for key in keys:
        yield value, key
        yield from _places(value[key])


def mutate_pickle(program: bytes, random: Random) -> bytes:
    """The pickle with a few of its instructions changed, or of its bytes."""
    if random.random() < _BYTEWISE:
        return mutate_bytes(program, random)
    steps = _instructions(program)
    for _ in range(random.randint(1, _MAX_CHANGES)):
        at = random.randrange(len(steps))
        match random.randrange(6):
            case 0:
                del steps[at]
            case 1:
                steps.insert(at, random.choice(steps))
            case 2:
                other = random.randrange(len(steps))
                steps[at], steps[other] = steps[other], steps[at]
            case 3:
                stop = min(len(steps), at + random.randint(1, 12))
                steps[at:at] = steps[at:stop] * random.choice((1, 1, 20))
            case _:
                steps[at : at + random.randrange(2)] = _odd_instructions(random)
        if not steps:
            break
    return b"".join(steps)


def _instructions(program: bytes) -> list[bytes]:
    starts = [position for _, _, position in pickletools.genops(program) if position is not None]
    return [program[a:b] for a, b in zip(starts, [*starts[1:], len(program)], strict=True)]


def _odd_instructions(random: Random) -> list[bytes]:
    """An instruction of any kind, a name, a number, or a call."""
    module, name = random.choice(_NAMES).split(" ")
    imported = f"c{module}\n{name}\n".encode()
    number = pickle.dumps(random.choice(_ODD_NUMBERS), 2)[2:-1]
    text = pickle.dumps(random.choice(("", "0", "os", "system", "storage", "cpu")), 2)[2:-1]
    match random.randrange(5):
        case 0:
            return [random.choice(pickletools.opcodes).code.encode("latin-1")]
        case 1:
            return [imported]
        case 2:
            return [number]
        case 3:
            return [imported, b"(", text, number, b"t", b"R"]
        case _:
            return [text]


def members_of(archive: Path) -> dict[str, bytes]:
    """The members of a zip archive by their names."""
    with zipfile.ZipFile(archive) as file:
        return {name: file.read(name) for name in file.namelist()}


def write_members(archive: Path, members: dict[str, bytes]) -> None:
    """Write them back, with checksums that are right."""
    with zipfile.ZipFile(archive, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
