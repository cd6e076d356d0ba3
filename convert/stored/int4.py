"""Integers of four bits as a .tflite stores them: two to a byte, the first in the lower half."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

LOWEST, HIGHEST = -8, 7
_HALF = 0x0F
_SIGN = 0x08


def unpack_int4(packed: NDArray[Any], first: int, count: int) -> NDArray[np.int8]:
    """So many values, (count,), from the one at `first` on.

    Raises:
        ValueError: there are not so many.
    """
    start, end = first // 2, -(-(first + count) // 2)
    pairs = np.asarray(packed).reshape(-1).view(np.uint8)[start:end]
    if len(pairs) != end - start:
        raise ValueError(f"holds {len(packed)} bytes, which are fewer than {first + count} values")
    halves = np.empty((len(pairs), 2), np.uint8)
    np.bitwise_and(pairs, _HALF, out=halves[:, 0])
    np.right_shift(pairs, 4, out=halves[:, 1])
    return _signed(halves.reshape(-1)[first % 2 : first % 2 + count])


def int4_at(packed: NDArray[Any], places: NDArray[np.intp]) -> NDArray[np.int8]:
    """The values at these places, in the places' shape."""
    pairs = np.asarray(packed).reshape(-1).view(np.uint8)[places // 2]
    return _signed(np.where(places % 2, pairs >> 4, pairs & _HALF))


def pack_int4(values: NDArray[Any]) -> NDArray[np.uint8]:
    """The bytes that hold integers from -8 to 7, in their order; the last half may be empty.

    Raises:
        ValueError: one is out of this range.
    """
    flat = np.asarray(values).reshape(-1)
    if flat.size and (flat.min() < LOWEST or flat.max() > HIGHEST):
        raise ValueError(f"integers of 4 bits reach from {LOWEST} to {HIGHEST}")
    halves = np.zeros(flat.size + flat.size % 2, np.uint8)
    halves[: flat.size] = flat.astype(np.int8).view(np.uint8) & _HALF
    return halves[::2] | np.left_shift(halves[1::2], 4)


def _signed(halves: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Two's complement: the highest of the four bits counts -8."""
    return ((halves ^ _SIGN) - np.uint8(_SIGN)).view(np.int8)
