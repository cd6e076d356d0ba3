"""Normalisation layers taken apart: their constants join the next layer, once, in float64.

A fold reads its weight in blocks of rows, so that beside the folded copy it takes a few MiB,
however large the weight. No function changes what it is given.
"""

from collections.abc import Iterator

import torch
from torch import nn

# A Linear beyond this keeps its weight as it lies on the disk, mapped, and a norm's scale before
# it stays in the graph: next to so large a product that costs next to nothing, while the folded
# weights of the largest models would fill the memory.
LARGEST_FOLDED_BYTES = 16 * 2**20
_BLOCK_ELEMENTS = 2**16  # half a MiB in float64: it stays in the cache, and one block serves all
_MATRIX = 2  # axes


def linear(weight: torch.Tensor, bias: torch.Tensor | None) -> nn.Linear:
    """A Linear on these very tensors, (out, in) and (out); memory is taken for none."""
    layer = nn.Linear(
        weight.shape[1], weight.shape[0], bias=bias is not None, device="meta", dtype=weight.dtype
    )
    layer.weight = frozen(weight)
    if bias is not None:
        layer.bias = frozen(bias)
    return layer


def frozen(values: torch.Tensor) -> nn.Parameter:
    """The values as a parameter of its own, without a gradient."""
    return nn.Parameter(values.detach().contiguous(), requires_grad=False)


def as_matrix(kernel: torch.Tensor) -> torch.Tensor:
    """(out, in, h, w) -> (out, h * w * in): the order in which NHWC pixels lie side by side."""
    return kernel.detach().permute(0, 2, 3, 1).flatten(1)


def times_vector(weight: torch.Tensor, vector: torch.Tensor) -> torch.Tensor:
    """The float64 products of each row of (out, in, ...) with (in), summed over all of the row."""
    moved = torch.empty(len(weight), dtype=torch.float64)
    factor = vector.detach().double().reshape(-1)
    for rows in _row_blocks(weight):
        block = weight[rows].detach().double()
        moved[rows] = (block if block.dim() == _MATRIX else block.flatten(2).sum(2)) @ factor
    return moved


def scale_inputs(weight: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """The weight (out, in, ...) that does to x what `weight` does to `scale * x`."""
    folded = torch.empty_like(weight, memory_format=torch.contiguous_format)
    factor = _over_inputs(scale, weight.dim())
    for rows in _row_blocks(weight):
        folded[rows] = (weight[rows].detach().double() * factor).to(weight.dtype)
    return folded


def shift_inputs(
    weight: torch.Tensor, bias: torch.Tensor | None, shift: torch.Tensor
) -> torch.Tensor:
    """The bias that does for x what `bias` does for `x + shift`."""
    moved = times_vector(weight, shift)
    return (moved if bias is None else moved + bias.detach().double()).to(weight.dtype)


def standardise(x: torch.Tensor, epsilon: float) -> torch.Tensor:
    """LayerNorm over the last axis without its scale and shift."""
    centred = x - x.mean(-1, keepdim=True)
    return centred * torch.rsqrt((centred * centred).mean(-1, keepdim=True) + epsilon)


class NormedLinear(nn.Module):
    """`W(norm(x)) + b` on (..., in), the norm being a LayerNorm over the last axis.

    The norm's shift always joins the bias, its scale the weight unless that is too large.
    """

    def __init__(
        self,
        norm_scale: torch.Tensor,
        norm_shift: torch.Tensor,
        epsilon: float,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
    ) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.scale: nn.Parameter | None = None
        folded_bias = shift_inputs(weight, bias, norm_shift)
        if weight.nbytes > LARGEST_FOLDED_BYTES:
            self.scale = frozen(norm_scale)
        else:
            weight = scale_inputs(weight, norm_scale)
        self.linear = linear(weight, folded_bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., in) -> (..., out)."""
        y = standardise(x, self.epsilon)
        out: torch.Tensor = self.linear(y if self.scale is None else y * self.scale)
        return out


class Norm(nn.Module):
    """A LayerNorm over the last axis whose scale and shift have no layer to go into."""

    def __init__(self, scale: torch.Tensor, shift: torch.Tensor, epsilon: float) -> None:
        super().__init__()
        self.scale, self.shift, self.epsilon = frozen(scale), frozen(shift), epsilon

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., C) -> (..., C)."""
        return standardise(x, self.epsilon) * self.scale + self.shift


def _over_inputs(vector: torch.Tensor, rank: int) -> torch.Tensor:
    return vector.detach().double().reshape(1, -1, *(1,) * (rank - 2))


def _row_blocks(weight: torch.Tensor) -> Iterator[slice]:
    rows = max(1, _BLOCK_ELEMENTS * len(weight) // max(weight.numel(), 1))
    for first in range(0, len(weight), rows):
        yield slice(first, first + rows)
