"""What the integers of a .tflite stand for: its scales, by tensor, by channel or by block."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convert.tflite import values_of

_BLOCKWISE = 2  # of the schema's QuantizationDetails


@dataclass(frozen=True, eq=False)
class Scales:
    """Which fractions a tensor's integers stand for, in the order in which they lie.

    The integer at a place belongs to the group `place // run % groups`, and stands for itself less
    the group's zero point, times the group's scale.

    Attributes:
        scale: (groups,) what a stored 1 is worth.
        zero_point: (groups,) what a 0 is stored as.
        run: so many integers belong to one group before the next one's begin.
    """

    scale: NDArray[np.float32]
    zero_point: NDArray[np.float32]
    run: int

    def groups(self, places: NDArray[np.intp]) -> NDArray[np.intp]:
        """The group of the integer at each of these places."""
        groups: NDArray[np.intp] = places // self.run % len(self.scale)
        return groups

    def widened(self, integers: NDArray[Any]) -> NDArray[np.float32]:
        """The fractions that a whole tensor's integers stand for, in its shape."""
        # Groups lie one behind the other, over and over.
        rows = integers.reshape(-1, len(self.scale), self.run).astype(np.float32)
        rows -= self.zero_point[:, None]
        rows *= self.scale[:, None]
        return rows.reshape(integers.shape)


def scales_of(model: Any, subgraph: Any, tensor: Any) -> Scales | None:
    """What a tensor's integers stand for; None where nothing tells, or what does fits no shape."""
    given = tensor.quantization
    if given is None:
        return None
    shape = () if tensor.shape is None else tuple(map(int, tensor.shape))
    size = math.prod(shape)
    if given.detailsType == _BLOCKWISE and given.details is not None:
        # Blocks are of the last axis, whatever quantizedDimension says, and have no zero points.
        scale = values_of(model, subgraph.tensors[given.details.scales])
        if scale is None:
            return None
        groups, run = scale.size, int(given.details.blockSize)
        scale, zero_point = scale.reshape(-1).astype(np.float32), np.zeros(groups, np.float32)
    elif given.scale is not None and len(given.scale):
        scale = np.asarray(given.scale, np.float32)
        groups = len(scale)
        run = math.prod(shape[given.quantizedDimension + 1 :]) if groups > 1 else max(size, 1)
        zero_point = np.zeros(groups, np.float32)
        if given.zeroPoint is not None and len(given.zeroPoint):
            zero_point = np.broadcast_to(np.asarray(given.zeroPoint, np.float32), groups)
    else:
        return None
    fits = run > 0 and groups > 0 and size % (groups * run) == 0
    return Scales(scale, zero_point, run) if fits else None
