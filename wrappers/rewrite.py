"""Exact rewrites: the same function as a module as trained, in a form that TFLite runs fast.

New weights are computed in float64 and rounded once to the dtype of the old ones. The spatial
pieces work on NHWC tensors, the layout that TFLite runs in, so that no transpose is left between
them, and nothing has more than four dimensions.
"""

import copy
from typing import TypeVar

import torch
from torch import nn
from torch.nn import functional

from chunkport.errors import ConversionError

Layer = TypeVar("Layer", nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d


def fold_batch_norm(layer: Layer, norm: BatchNorm) -> Layer:
    """One layer that computes `norm(layer(x))`, `norm` being in eval mode.

    With s = weight / sqrt(running_var + eps): W' = s W and b' = s (b - running_mean) + bias.

    Raises:
        ConversionError: the norm keeps no running statistics, so it is no fixed function.
    """
    if norm.running_mean is None or norm.running_var is None:
        raise ConversionError(
            "a BatchNorm without running statistics cannot be folded; train it with "
            "track_running_stats=True"
        )
    channels = norm.num_features
    scale = 1 / torch.sqrt(norm.running_var.double() + norm.eps)
    shift = -norm.running_mean.double() * scale
    if norm.affine:
        scale, shift = scale * norm.weight.double(), shift * norm.weight + norm.bias
    output_axis = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
    broadcast = [1] * layer.weight.dim()
    broadcast[output_axis] = channels
    bias = torch.zeros(channels) if layer.bias is None else layer.bias
    return _with_weights(
        layer, layer.weight.double() * scale.view(broadcast), bias.double() * scale + shift
    )


def linear_to_nhwc(layer: nn.Linear, channels: int, height: int, width: int) -> nn.Linear:
    """The layer with its outputs, meant as (C, H, W), reordered to (H, W, C)."""
    order = torch.arange(layer.out_features).view(channels, height, width).permute(1, 2, 0)
    order = order.reshape(-1)
    bias = torch.zeros(layer.out_features) if layer.bias is None else layer.bias
    return _with_weights(layer, layer.weight.double()[order], bias.double()[order])


def conv_nhwc(conv: nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
    """Apply a convolution to (B, H, W, C); the two permutes vanish in conversion."""
    y: torch.Tensor = conv(x.permute(0, 3, 1, 2))
    return y.permute(0, 2, 3, 1)


class SubpixelConvTranspose2d(nn.Module):
    """A transposed convolution on (B, H, W, C) as one plain convolution per output phase.

    Output row s * i + a of a transposed convolution with stride s reads only every s-th row of
    the kernel, the same ones for all i. So each pair of phases (row, column) is a small ordinary
    convolution of the input, and the output interleaves their results. No tap is added: the
    weights are those of the original, each once. (Shi et al. 2016, "Is the deconvolution layer
    the same as a convolutional layer?", arXiv:1609.07009, reversed.)

    Raises:
        ConversionError: the module has groups or dilation.
    """

    def __init__(self, conv: nn.ConvTranspose2d) -> None:
        super().__init__()
        if conv.groups != 1 or tuple(conv.dilation) != (1, 1):
            raise ConversionError(f"{conv}: only groups=1 and dilation=1 can be rewritten")
        self.kernel = _pair(conv.kernel_size)
        self.stride = _pair(conv.stride)
        self.padding = _pair(conv.padding)
        self.output_padding = _pair(conv.output_padding)
        bias = torch.zeros(conv.out_channels) if conv.bias is None else conv.bias
        self.phases = nn.ModuleList()
        for row_phase in range(self.stride[0]):
            rows, _ = self._taps(0, row_phase)
            for column_phase in range(self.stride[1]):
                columns, _ = self._taps(1, column_phase)
                weight = conv.weight[:, :, rows][:, :, :, columns].transpose(0, 1)
                if not weight.numel():  # a stride beyond the kernel: these outputs are the bias
                    weight = weight.new_zeros(
                        *weight.shape[:2], max(len(rows), 1), max(len(columns), 1)
                    )
                phase = nn.Conv2d(
                    conv.in_channels,
                    conv.out_channels,
                    _pair(weight.shape[2:]),
                    device="meta",
                    dtype=weight.dtype,
                )
                self.phases.append(_with_weights(phase, weight, bias))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, H, W, C) -> (B, H', W', C')."""
        batch, *size, _ = x.shape
        full = [
            (size[axis] - 1) * self.stride[axis]
            - 2 * self.padding[axis]
            + self.kernel[axis]
            + self.output_padding[axis]
            for axis in (0, 1)
        ]
        count = [-(-full[axis] // self.stride[axis]) for axis in (0, 1)]  # pixels per phase
        parts = []
        for index, phase in enumerate(self.phases):
            assert isinstance(phase, nn.Conv2d)
            row_phase, column_phase = divmod(index, self.stride[1])
            top, bottom = self._margins(0, row_phase, size[0], count[0])
            left, right = self._margins(1, column_phase, size[1], count[1])
            padded = functional.pad(x, (0, 0, left, right, top, bottom))
            parts.append(conv_nhwc(phase, padded))
        y = torch.cat(parts, dim=3)  # (B, n, m, rows x columns x C')
        y = y.reshape(batch * count[0], count[1], self.stride[0], -1).permute(0, 2, 1, 3)
        y = y.reshape(batch, count[0] * self.stride[0], count[1] * self.stride[1], -1)
        return y if list(y.shape[1:3]) == full else y[:, : full[0], : full[1]]

    def _taps(self, axis: int, phase: int) -> tuple[list[int], int]:
        """The kernel indices that this phase reads, by growing source offset, and the first offset.

        Output s * i + phase takes kernel index k from input i + (phase + padding - k) / s.
        """
        shifted = phase + self.padding[axis]
        taps = list(range(shifted % self.stride[axis], self.kernel[axis], self.stride[axis]))[::-1]
        return taps, (shifted - taps[0]) // self.stride[axis] if taps else 0

    def _margins(self, axis: int, phase: int, size: int, count: int) -> tuple[int, int]:
        """Zeros to add before and after the input (negative: to cut) for `count` outputs."""
        taps, first = self._taps(axis, phase)
        return -first, count - 1 + first + max(len(taps), 1) - size


class CroppedConvTranspose2d(nn.Module):
    """A transposed convolution on (B, C, H, W) without padding, cropped to the same result.

    The least change that makes one with `output_padding` convert at all; slow, and meant for
    comparison.
    """

    def __init__(self, conv: nn.ConvTranspose2d) -> None:
        super().__init__()
        self.weight, self.bias = conv.weight, conv.bias
        self.stride, self.dilation = _pair(conv.stride), _pair(conv.dilation)
        self.groups = conv.groups
        (top, left), (low, right) = _pair(conv.padding), _pair(conv.output_padding)
        self.margins = (-left, right - left, -top, low - top)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, C', H', W')."""
        bare = functional.conv_transpose2d(
            x, self.weight, None, self.stride, 0, 0, self.groups, self.dilation
        )
        y = functional.pad(bare, self.margins)
        return y if self.bias is None else y + self.bias.view(1, -1, 1, 1)


def _with_weights(layer: Layer, weight: torch.Tensor, bias: torch.Tensor) -> Layer:
    """A copy of `layer` with these weights, in the dtype of its own."""

    def parameter(values: torch.Tensor) -> nn.Parameter:
        values = values.detach().to(layer.weight.dtype).contiguous()
        return nn.Parameter(values, requires_grad=False)

    clone = copy.deepcopy(layer, {id(layer.weight): parameter(weight)})
    clone.bias = parameter(bias)
    return clone.eval()


def _pair(values: str | tuple[int, ...]) -> tuple[int, int]:
    """Sizes of rows and columns; torch allows the text "same" for some padding, never here."""
    height, width = (int(value) for value in values)
    return height, width
