"""Exact rewrites for activations in integers, where one scale serves a whole tensor.

Its 255 steps reach to the largest value, so what is much smaller than that is lost: the squares
of a quiet pixel or channel beside those of a loud one. Here each is first brought to about the
same size, and what divides it is accounted for, so that the function is the same.
"""

import numpy as np
import torch
from torch.nn import functional

_ABOVE_ZERO = 2.0**-10
_NODES = 32  # of Gauss-Hermite quadrature: far more than so smooth a function needs
_WIDEST = 5  # powers of two between the units: in 8 bits the smallest of 2^5 is within 1%


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


def channel_units(deviation: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Of each channel, the power of two nearest to the RMS of GELU(x), x ~ N(bias, deviation^2).

    Both are float64. Dividing by a power of two rounds nothing. Channels below 1/32 of the largest
    get that: their values are lost beside it in any case.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    drawn = bias[:, None] + deviation[:, None] * torch.tensor(nodes, dtype=bias.dtype)
    squares = functional.gelu(drawn).square() @ torch.tensor(weights / weights.sum())
    exponents = torch.log2(squares.clamp(min=torch.finfo(torch.float32).tiny)).div(2).round()
    return torch.exp2(exponents.maximum(exponents.max() - _WIDEST))
