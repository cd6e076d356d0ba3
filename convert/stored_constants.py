"""The constants of a .tflite as what they stand for, compared with weights where they lie."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.int4 import unpack_int4
from convert.stored_scales import Scales, scales_of
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

    @property
    def ends(self) -> tuple[int, int]:
        """The smallest and the largest integer that can be stored."""
        return -(1 << self.bits - 1), (1 << self.bits - 1) - 1

    def holds(self, values: NDArray[Any], first: int = 0, *, clipped: bool = False) -> bool:
        """Whether these values lie there from `first` on, as exactly as their type allows.

        In float32 that is bit for bit; float16 rounds, and integers are half a step away at most,
        of what is left of the values where they are `clipped` to what the scale can hold.
        """
        there = self.numbers(first, values.size)
        if self.scales is None:
            with np.errstate(over="ignore"):
                return np.array_equal(_bits(there), _bits(values.astype(self.dtype)))
        group = self.scales.groups(first, values.size)
        scale, zero = self.scales.scale[group], self.scales.zero_point[group]
        flat = np.ascontiguousarray(values).reshape(-1)
        room = _HALF_STEP * np.abs(scale) + _OF_VALUE * np.abs(flat)
        if clipped:
            lowest, highest = self.ends
            flat = np.clip(flat, (lowest - zero) * scale, (highest - zero) * scale)
        return bool((np.abs((there - zero) * scale - flat) <= room).all())


def stored_constants(model: Any) -> Iterator[StoredConstant]:
    """Every constant that can be a weight, of all subgraphs; one for each tensor."""
    for subgraph in model.subgraphs:
        for tensor in subgraph.tensors:
            data, dtype = model.buffers[tensor.buffer].data, dtype_of(tensor)
            if data is None or len(data) == 0 or dtype is None:
                continue
            raw = np.asarray(data).view(dtype)
            if is_packed(tensor):
                bits = _PACKED_BITS
                size = math.prod(() if tensor.shape is None else map(int, tensor.shape))
                if raw.size != -(-size // 2):
                    continue  # damaged: it holds nothing that can be found
            else:
                size, bits = raw.size, 8 * raw.itemsize
            if np.issubdtype(dtype, np.floating):
                yield StoredConstant(raw, size, bits)
            elif (found := scales_of(model, subgraph, tensor)) is not None:
                yield StoredConstant(raw, size, bits, found)


def _bits(values: NDArray[Any]) -> NDArray[Any]:
    """The values as integers, so that NaN equals itself and -0 does not equal 0."""
    return np.ascontiguousarray(values).reshape(-1).view(f"u{values.dtype.itemsize}")
