"""Exact rewrites for activations in integers, where one scale serves a whole tensor.

Its 255 steps reach to the largest value, so what is much smaller than that is lost: the squares
of a quiet pixel or channel beside those of a loud one. Here each is first brought to about the
same size, and what divides it is accounted for, so that the function is the same.
"""

import torch
from torch.nn import functional

_ABOVE_ZERO = 2.0**-10
_QUIET = 0.125  # GELU gives -0.17 at the least, which the mean of what is above 0 leaves out


def standardise_in_proportion(x: torch.Tensor, epsilon: float) -> torch.Tensor:
    """LayerNorm over the last axis without its scale and shift, of vectors of very unlike sizes.

    Each vector is divided by half its mean deviation, so that the squares of all of them have about
    one range. The quotient is the same, also where an integer holds that divisor only roughly: the
    vector's own squares are taken after the division. Not by its largest magnitude, for which the
    quantizer has no integer op; its least value, for which it has, serves worse and runs slowly.
    """
    centred = x - x.mean(-1, keepdim=True)
    shrink = 1 / (functional.relu(centred).mean(-1, keepdim=True) + _ABOVE_ZERO)
    even = centred * shrink
    return even * torch.rsqrt((even * even).mean(-1, keepdim=True) + shrink * shrink * epsilon)


def energies_in_proportion(y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Of what GELU gave, (1, H, W, C): the RMS of each channel over the image, in two factors.

    Both are (1, 1, 1, C): the RMS is the first divided by the second. The first is near 1 for
    loud channels and for quiet ones, and so is what was squared for it.
    """
    shrink = 1 / (functional.relu(y).mean(dim=(1, 2), keepdim=True) + _QUIET)
    even = y * shrink
    return torch.sqrt((even * even).mean(dim=(1, 2), keepdim=True)), shrink
