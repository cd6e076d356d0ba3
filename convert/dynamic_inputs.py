"""What LiteRT's kernels with integer weights do to their float inputs: 8 bits, as they come.

Gradients pass as if it were not done.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

_LOWEST, _HIGHEST = -128, 127
_TINY = 1e-12


def rounded_by_row(x: Tensor) -> Tensor:
    """Each row of the last axis by its own range, as FULLY_CONNECTED does."""
    return _rounded(x, (-1,))


def rounded_whole(x: Tensor) -> Tensor:
    """A whole picture by one range, as CONV_2D does."""
    return _rounded(x, tuple(range(x.dim())))


def _rounded(x: Tensor, axes: Sequence[int]) -> Tensor:
    low = x.amin(tuple(axes), keepdim=True).clamp(max=0)
    high = x.amax(tuple(axes), keepdim=True).clamp(min=0)
    scale = ((high - low) / (_HIGHEST - _LOWEST)).clamp(min=_TINY)
    zero_point = torch.round(_LOWEST - low / scale)
    integers = (torch.round(x / scale) + zero_point).clamp(_LOWEST, _HIGHEST)
    return x + ((integers - zero_point) * scale - x).detach()


ROUNDED_ON_THE_WAY = {"CONV_2D": rounded_whole, "FULLY_CONNECTED": rounded_by_row}
