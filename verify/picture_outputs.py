"""A model's inputs and outputs as pictures, where they are any."""

from typing import TYPE_CHECKING

import numpy as np

from verify.metrics import Values, stacked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wrappers.spec import Arrays, TensorSpec

_CHANNELS = (1, 3)


def channel_axis(output: "TensorSpec") -> int | None:
    """Where the channels of a picture are; None for what cannot be shown as one."""
    axis = {"nhwc": 3, "nchw": 1}.get(output.layout)
    if axis is None or len(output.shape) <= axis or output.shape[axis] not in _CHANNELS:
        return None
    return axis


def is_picture(output: "TensorSpec") -> bool:
    """Whether the output can be shown: grey or in colour, its layout known."""
    return channel_axis(output) is not None


def as_pictures(outputs: "Sequence[Arrays]", output: "TensorSpec") -> Values:
    """The outputs of all samples, (N, H, W, C)."""
    axis = channel_axis(output)
    assert axis is not None
    return np.moveaxis(stacked(outputs, output.name), axis, -1)
