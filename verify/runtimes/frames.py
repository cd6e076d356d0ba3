"""The frames that LiteRT.js is asked and answers in, as javascript/answering.mjs describes them."""

import json
import math
import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from wrappers.spec import Arrays

_LENGTH = struct.Struct("<I")
_WORD = 4


def encode(header: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]] | None = None) -> bytes:
    """A header, and tensors by name, as one frame."""
    arrays = {name: np.asarray(values, order="C") for name, values in (tensors or {}).items()}
    described = [
        {"name": name, "dtype": values.dtype.name, "shape": values.shape}
        for name, values in arrays.items()
    ]
    head = json.dumps({**header, "tensors": described}).encode()
    head += b" " * (-len(head) % _WORD)
    return b"".join(
        [_LENGTH.pack(len(head)), head, *(array.tobytes() for array in arrays.values())]
    )


def decode(frame: bytes) -> "tuple[dict[str, Any], Arrays]":
    """The header of a frame without `tensors`, and these by name."""
    (length,) = _LENGTH.unpack_from(frame)
    place = _LENGTH.size + length
    header = json.loads(frame[_LENGTH.size : place])
    tensors = {}
    for item in header.pop("tensors"):
        dtype, count = np.dtype(item["dtype"]), math.prod(item["shape"])
        values = np.frombuffer(frame, dtype, count, place)
        tensors[item["name"]] = values.reshape(item["shape"])
        place += values.nbytes
    return header, tensors
