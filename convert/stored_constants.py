"""The constants of a .tflite as what they stand for, compared with weights where they lie."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.tflite import dtype_of

_HALF_STEP = 0.501  # rounding, and the rounding of the scale
_OF_VALUE = 1e-6  # what computing with a scale in float32 may be off by


@dataclass(frozen=True, eq=False)
class StoredConstant:
    """A constant's numbers in the order in which they lie.

    Attributes:
        raw: (N,) as stored: fractions, or integers that stand for some.
        scale: (C,) what a stored 1 is worth in each channel; None for fractions.
        zero_point: (C,) what a 0 is stored as.
        run: so many numbers belong to one channel before the next one's begin.
    """

    raw: NDArray[Any]
    scale: NDArray[np.float32] | None = None
    zero_point: NDArray[np.float32] | None = None
    run: int = 1

    def holds(self, values: NDArray[Any], first: int = 0) -> bool:
        """Whether these values lie there from `first` on, as exactly as their type allows.

        In float32 that is bit for bit; float16 rounds, and integers are half a step away at most.
        """
        there = self.raw[first : first + values.size]
        if self.scale is None or self.zero_point is None:
            with np.errstate(over="ignore"):
                return np.array_equal(_bits(there), _bits(values.astype(self.raw.dtype)))
        channel = (np.arange(first, first + there.size) // self.run) % len(self.scale)
        scale, flat = self.scale[channel], np.ascontiguousarray(values).reshape(-1)
        away = np.abs((there - self.zero_point[channel]) * scale - flat)
        return bool((away <= _HALF_STEP * np.abs(scale) + _OF_VALUE * np.abs(flat)).all())


def stored_constants(model: Any) -> Iterator[StoredConstant]:
    """Every constant that can be a weight, of all subgraphs; one for each tensor."""
    for subgraph in model.subgraphs:
        for tensor in subgraph.tensors:
            data, dtype = model.buffers[tensor.buffer].data, dtype_of(tensor)
            if data is None or len(data) == 0 or dtype is None:
                continue
            raw = np.asarray(data).view(dtype)
            if np.issubdtype(dtype, np.floating):
                yield StoredConstant(raw)
            elif found := scales_of(tensor):
                shape = () if tensor.shape is None else tuple(tensor.shape)
                run = math.prod(shape[tensor.quantization.quantizedDimension + 1 :])
                yield StoredConstant(raw, *found, run=run if len(found[0]) > 1 else raw.size)


def scales_of(tensor: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """Scales and zero points of a tensor of integers, (C,) each; None where it has none."""
    given = tensor.quantization
    if given is None or given.scale is None or not len(given.scale):
        return None
    scale = np.asarray(given.scale, np.float32)
    zero_point = np.zeros(len(scale), np.float32)
    if given.zeroPoint is not None and len(given.zeroPoint):
        zero_point = np.asarray(given.zeroPoint, np.float32)
    return scale, zero_point


def _bits(values: NDArray[Any]) -> NDArray[Any]:
    """The values as integers, so that NaN equals itself and -0 does not equal 0."""
    return np.ascontiguousarray(values).reshape(-1).view(f"u{values.dtype.itemsize}")
