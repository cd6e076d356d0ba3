"""The constants of a .tflite as what they stand for, compared with weights where they lie."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.stored.int4 import int4_at, unpack_int4
from convert.stored.scales import Scales, scales_of
from convert.tflite import dtype_of, is_packed

_PACKED_BITS = 4
_HALF_STEP = 0.501  # rounding, and the rounding of the scale
_OF_VALUE = 1e-6  # what computing with a scale in float32 may be off by


@dataclass(frozen=True, eq=False)
class StoredConstant:
    """A constant's numbers in the order in which they lie.

    Attributes:
        data: where they are, a map of the file: of four bits two to a byte, else one by one.
        size: how many there are.
        bits: of each.
        scales: what integers stand for; None for fractions.
    """

    data: NDArray[Any]
    size: int
    bits: int
    scales: Scales | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the numbers, unpacked."""
        return np.dtype(np.int8) if self.packed else self.data.dtype

    @property
    def packed(self) -> bool:
        """Whether two of them share a byte."""
        return self.bits == _PACKED_BITS

    def numbers(self, first: int, count: int) -> NDArray[Any]:
        """(count,) of them, as stored, from the one at `first` on."""
        if self.packed:
            return unpack_int4(self.data, first, count)
        return self.data[first : first + count]

    def at(self, places: NDArray[np.intp]) -> NDArray[np.float64]:
        """What the numbers at these places stand for."""
        numbers = int4_at(self.data, places) if self.packed else self.data[places]
        exact = numbers.astype(np.float64)
        if self.scales is not None:
            group = self.scales.groups(places)
            exact = (exact - self.scales.zero_point[group]) * self.scales.scale[group]
        return exact

    @property
    def ends(self) -> tuple[int, int]:
        """The smallest and the largest integer that stand for a weight: as far below 0 as above."""
        highest = (1 << self.bits - 1) - 1
        return -highest, highest

    def holds(self, values: NDArray[Any], first: int = 0, *, clipped: bool = False) -> bool:
        """Whether these values lie there from `first` on, as exactly as their type allows."""
        return not self.differing(values, first, clipped=clipped).any()

    def differing(
        self, values: NDArray[Any], first: int = 0, *, clipped: bool = False
    ) -> NDArray[np.bool_]:
        """(N,) where what lies from `first` on is none of these values, in their order.

        In float32 each bit counts; float16 rounds, and integers are half a step away at most, of
        what is left of the values where they are `clipped` to what the scale can hold.
        """
        there = self.numbers(first, values.size)
        flat = np.ascontiguousarray(values).reshape(-1)
        if self.scales is None:
            with np.errstate(over="ignore"):
                return np.asarray(_bits(there) != _bits(flat.astype(self.dtype)))
        group = self.scales.groups(np.arange(first, first + values.size))
        scale, zero = self.scales.scale[group], self.scales.zero_point[group]
        room = _HALF_STEP * np.abs(scale) + _OF_VALUE * np.abs(flat)
        if clipped:
            lowest, highest = self.ends
            flat = np.clip(flat, (lowest - zero) * scale, (highest - zero) * scale)
        return np.asarray(~(np.abs((there - zero) * scale - flat) <= room))  # NaN differs


def stored_constants(model: Any) -> Iterator[StoredConstant]:
    """Every constant that can be a weight, of all subgraphs; one for each tensor."""
    for subgraph in model.subgraphs:
        for tensor in subgraph.tensors:
            if (found := stored_constant(model, subgraph, tensor)) is not None:
                yield found


def stored_constant(model: Any, subgraph: Any, tensor: Any) -> StoredConstant | None:
    """A tensor's values where they lie in the file and can be a weight: fractions, or scaled."""
    data, dtype = model.buffers[tensor.buffer].data, dtype_of(tensor)
    if data is None or len(data) == 0 or dtype is None:
        return None
    raw = np.asarray(data).view(dtype)
    size, bits = raw.size, 8 * raw.itemsize
    if is_packed(tensor):
        size, bits = math.prod(() if tensor.shape is None else map(int, tensor.shape)), _PACKED_BITS
        if raw.size != -(-size // 2):
            return None
    if np.issubdtype(dtype, np.floating):
        return StoredConstant(raw, size, bits)
    scales = scales_of(model, subgraph, tensor)
    return None if scales is None else StoredConstant(raw, size, bits, scales)


def _bits(values: NDArray[Any]) -> NDArray[Any]:
    """The values as integers, so that NaN equals itself and -0 does not equal 0."""
    return values.view(f"u{values.dtype.itemsize}")
