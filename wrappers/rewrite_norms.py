"""Normalisation layers taken apart: their constants join the next layer, once, in float64.

A fold reads its weight in blocks of rows, so that beside the folded copy it takes a few MiB,
however large the weight. No function changes what it is given.
"""

import math
from collections.abc import Iterator

import torch
from torch import nn

from wrappers.rewrite_ranges import standardise_in_proportion
from wrappers.spec import Target

# A Linear beyond this keeps its weight as it lies on the disk, mapped, and a norm's scale before
# it stays in the graph: next to so large a product that costs next to nothing, while the folded
# weights of the largest models would fill the memory.
LARGEST_FOLDED_BYTES = 16 * 2**20
_BLOCK_ELEMENTS = 2**16  # half a MiB in float64: it stays in the cache, and one block serves all
_MATRIX = 2  # axes
_SQUARED_SHRINK = 2.0**-6
_SMALLEST_DIVISOR = 2.0**-10  # vectors below it are divided by it: epsilon stays below 1


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


def standardise(x: torch.Tensor, epsilon: float, *, target: Target | None = None) -> torch.Tensor:
    """LayerNorm over the last axis without its scale and shift.

    For a GPU, whose float16 ends at 65504, each vector is first divided by its largest magnitude,
    so that no sum of its squares passes its length; the quotient is the same. For an NPU, which
    computes in integers, see `standardise_in_proportion`.
    """
    if target == "npu":
        return standardise_in_proportion(x, epsilon)
    centred = x - x.mean(-1, keepdim=True)
    if target == "gpu":
        largest = centred.abs().amax(-1, keepdim=True).clamp(min=_SMALLEST_DIVISOR)
        centred = centred / largest
        within = math.sqrt(epsilon) / largest
        return centred * torch.rsqrt((centred * centred).mean(-1, keepdim=True) + within * within)
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
        *,
        target: Target | None = None,
    ) -> None:
        super().__init__()
        self.epsilon, self.target = epsilon, target
        self.scale: nn.Parameter | None = None
        folded_bias = shift_inputs(weight, bias, norm_shift)
        if weight.nbytes > LARGEST_FOLDED_BYTES:
            self.scale = frozen(norm_scale)
        else:
            weight = scale_inputs(weight, norm_scale)
        self.linear = linear(weight, folded_bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., in) -> (..., out)."""
        y = standardise(x, self.epsilon, target=self.target)
        out: torch.Tensor = self.linear(y if self.scale is None else y * self.scale)
        return out


class Norm(nn.Module):
    """A LayerNorm over the last axis whose scale and shift have no layer to go into."""

    def __init__(
        self,
        scale: torch.Tensor,
        shift: torch.Tensor,
        epsilon: float,
        *,
        target: Target | None = None,
    ) -> None:
        super().__init__()
        self.scale, self.shift = frozen(scale), frozen(shift)
        self.epsilon, self.target = epsilon, target

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., C) -> (..., C)."""
        return standardise(x, self.epsilon, target=self.target) * self.scale + self.shift


def root_energy(y: torch.Tensor) -> torch.Tensor:
    """(1, H, W, C) -> (1, 1, 1, C), the root of the sum of squares over the image, for a GPU.

    The squares are divided by 64 before they can pass float16's 65504, which is exact; their mean
    is taken over rows and then columns, for a long sum in float16 would lose them; and what was
    divided is multiplied back.
    """
    mean = (y * (y * _SQUARED_SHRINK)).mean(2, keepdim=True).mean(1, keepdim=True)
    return torch.sqrt(mean) * math.sqrt(y.shape[1] * y.shape[2] / _SQUARED_SHRINK)


def mean_in_parts(x: torch.Tensor) -> torch.Tensor:
    """(1, 1, 1, C) -> (1, 1, 1, 1), the mean by rows of a square rather than all at once."""
    channels = x.shape[-1]
    rows = next(n for n in range(math.isqrt(channels), 0, -1) if channels % n == 0)
    return x.reshape(1, 1, rows, -1).mean(-1, keepdim=True).mean(-2, keepdim=True)


def _over_inputs(vector: torch.Tensor, rank: int) -> torch.Tensor:
    return vector.detach().double().reshape(1, -1, *(1,) * (rank - 2))


def _row_blocks(weight: torch.Tensor) -> Iterator[slice]:
    rows = max(1, _BLOCK_ELEMENTS * len(weight) // max(weight.numel(), 1))
    for first in range(0, len(weight), rows):
        yield slice(first, first + rows)
