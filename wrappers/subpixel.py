"""Transposed convolutions, exactly, in forms that convert and run fast.

Output row s i + a of a transposed convolution with stride s reads only every s-th row of the
kernel, the same rows for all i; likewise for columns. So each of the s x s phases of the output is
a small ordinary convolution of the input. (Shi et al. 2016, "Is the deconvolution layer the same
as a convolutional layer?", arXiv:1609.07009.)
"""

import functools
import itertools

import torch
from torch import nn
from torch.nn import functional

from chunkport.errors import ConversionError
from wrappers.rewrite import conv_nhwc, with_weights


class _ByPhases(nn.Module):
    """A transposed convolution on (B, H, W, C) as one plain convolution per output phase.

    No tap is added: the weights are those of the original, each once.
    """

    def __init__(self, conv: nn.ConvTranspose2d) -> None:
        super().__init__()
        if conv.groups != 1 or tuple(conv.dilation) != (1, 1):
            raise ConversionError(f"{conv}: only groups=1 and dilation=1 can be rewritten")
        self.kernel = _pair(conv.kernel_size)
        self.stride = _pair(conv.stride)
        self.padding = _pair(conv.padding)
        self.output_padding = _pair(conv.output_padding)
        self.phases = nn.ModuleList()
        for row_phase, column_phase in itertools.product(*map(range, self.stride)):
            rows, _ = self._taps(0, row_phase)
            columns, _ = self._taps(1, column_phase)
            weight = conv.weight[:, :, rows][:, :, :, columns].transpose(0, 1)
            if not weight.numel():  # a stride beyond the kernel: these outputs are the bias
                weight = weight.new_zeros(
                    *weight.shape[:2], max(len(rows), 1), max(len(columns), 1)
                )
            self.phases.append(_plain_conv(weight, conv.bias))

    def phases_of(self, x: torch.Tensor) -> list[torch.Tensor]:
        """(B, H, W, C) -> the output's phases, row by row, (B, ceil(H'/s), ceil(W'/s), C') each."""
        count = [-(-self._full(axis, x.shape[1 + axis]) // self.stride[axis]) for axis in (0, 1)]
        parts = []
        for index, phase in enumerate(self.phases):
            row_phase, column_phase = divmod(index, self.stride[1])
            top, bottom = self._margins(0, row_phase, x.shape[1], count[0])
            left, right = self._margins(1, column_phase, x.shape[2], count[1])
            parts.append(_padded_conv(phase, x, (left, right, top, bottom)))
        return parts

    def _full(self, axis: int, size: int) -> int:
        """The output's size along an axis."""
        beyond = self.kernel[axis] - 2 * self.padding[axis] + self.output_padding[axis]
        return (size - 1) * self.stride[axis] + beyond

    def _taps(self, axis: int, phase: int) -> tuple[list[int], int]:
        """The kernel indices that this phase reads, by growing source offset, and the first offset.

        Output s i + phase takes kernel index k from input i + (phase + padding - k) / s.
        """
        shifted = phase + self.padding[axis]
        taps = list(range(shifted % self.stride[axis], self.kernel[axis], self.stride[axis]))[::-1]
        return taps, (shifted - taps[0]) // self.stride[axis] if taps else 0

    def _margins(self, axis: int, phase: int, size: int, count: int) -> tuple[int, int]:
        """Zeros to add before and after the input (negative: to cut) for `count` outputs."""
        taps, first = self._taps(axis, phase)
        return -first, count - 1 + first + max(len(taps), 1) - size


def enlarging_as_transposed(conv: nn.Conv2d) -> nn.ConvTranspose2d:
    """A convolution of what has every pixel doubled in both directions, as one transposed one.

    Output o reads row o + t - p of the enlarged input through kernel index t, which is input i in
    rows 2 i and 2 i + 1. So index k = o + p - 2 i of the transposed kernel is the sum of
    w[2 p - k] and w[2 p - k + 1], where they are; likewise for columns.

    Raises:
        ConversionError: the convolution does not keep sizes, or has groups, dilation or a stride.
    """
    size, padding = _pair(conv.kernel_size), _pair(conv.padding)
    keeps = all(kernel == 2 * pad + 1 for kernel, pad in zip(size, padding, strict=True))
    if not keeps or conv.groups != 1 or {*conv.stride, *conv.dilation} != {1}:
        raise ConversionError(
            f"{conv}: only one that keeps sizes, with groups=1, dilation=1 and stride=1, can be "
            "merged with the enlargement before it"
        )
    turned = conv.weight.detach().double().flip(2, 3).transpose(0, 1)
    shifted = [
        functional.pad(turned, (right, 1 - right, down, 1 - down))
        for down, right in itertools.product((0, 1), repeat=2)
    ]
    rows, columns = (kernel + 1 for kernel in size)
    empty = nn.ConvTranspose2d(
        conv.in_channels,
        conv.out_channels,
        (rows, columns),
        stride=2,
        padding=padding,
        device="meta",
        dtype=conv.weight.dtype,
    )
    bias = conv.weight.new_zeros(conv.out_channels) if conv.bias is None else conv.bias
    return with_weights(empty, functools.reduce(torch.add, shifted), bias)


class SubpixelConvTranspose2d(_ByPhases):
    """A transposed convolution on (B, H, W, C), exactly.

    Raises:
        ConversionError: the module has groups or dilation.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, H, W, C) -> (B, H', W', C')."""
        height, width = (self._full(axis, x.shape[1 + axis]) for axis in (0, 1))
        y = interleave(torch.cat(self.phases_of(x), dim=3), *self.stride)
        return y if tuple(y.shape[1:3]) == (height, width) else y[:, :height, :width]


class SubpixelPhases(_ByPhases):
    """Only the phases of a transposed convolution, row by row, for a SubpixelTail to read.

    A module, so that the file's tensors carry its name.

    Raises:
        ConversionError: the module has groups or dilation.
    """

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """(B, H, W, C) -> s x s tensors (B, ceil(H'/s), ceil(W'/s), C')."""
        return self.phases_of(x)


class SubpixelTail(nn.Module):
    """A transposed convolution on what SubpixelPhases gives, with the same stride s.

    For a last layer with few output channels C': it spares interleaving the large input, and its
    s^4 C' channels fill the vectors that C' alone would leave idle. Output row s^2 i + p reads
    phase a of input row i + d through kernel index p + padding - s^2 d - s a where the kernel
    reaches that far; the other taps are zero.

    Raises:
        ConversionError: the module does not multiply every size by s exactly, or has groups,
            dilation, or two strides.
    """

    def __init__(self, conv: nn.ConvTranspose2d) -> None:
        super().__init__()
        stride, stride_x = _pair(conv.stride)
        sizes = map(_pair, (conv.kernel_size, conv.output_padding, conv.padding))
        exact = all(
            kernel + extra == stride + 2 * pad for kernel, extra, pad in zip(*sizes, strict=True)
        )
        if not exact or stride != stride_x or conv.groups != 1 or set(conv.dilation) != {1}:
            raise ConversionError(
                f"{conv}: only a layer that multiplies sizes by its one stride, with groups=1 "
                "and dilation=1, can read phases"
            )
        self.scale = stride**2
        self.parts = nn.ModuleList()
        self.margins = []
        bias = None if conv.bias is None else conv.bias.repeat(self.scale**2)
        for row_phase, column_phase in itertools.product(range(stride), repeat=2):
            rows = _tail_taps(conv, 0, row_phase)
            columns = _tail_taps(conv, 1, column_phase)
            weight = conv.weight.new_zeros(
                self.scale, self.scale, conv.out_channels, conv.in_channels, len(rows), len(columns)
            )
            for (y, row), (x, column) in itertools.product(
                enumerate(rows.values()), enumerate(columns.values())
            ):
                for (p, k), (q, m) in itertools.product(row.items(), column.items()):
                    weight[p, q, :, :, y, x] = conv.weight[:, :, k, m].T
            self.parts.append(_plain_conv(weight.flatten(0, 2), bias))
            bias = None  # added once
            self.margins.append((-min(columns), max(columns), -min(rows), max(rows)))

    def forward(self, phases: list[torch.Tensor]) -> torch.Tensor:
        """As many tensors (B, H, W, C) as phases, s x s -> (B, s^2 H, s^2 W, C')."""
        parts = [
            _padded_conv(part, phase, margins)
            for part, phase, margins in zip(self.parts, phases, self.margins, strict=True)
        ]
        return interleave(functools.reduce(torch.add, parts), self.scale, self.scale)


def interleave(y: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
    """(B, H, W, rows x columns x C) -> (B, H x rows, W x columns, C), with one transpose."""
    batch, height, width, _ = y.shape
    y = y.reshape(batch * height, width, rows, -1).permute(0, 2, 1, 3)
    return y.reshape(batch, height * rows, width * columns, -1)


class CroppedConvTranspose2d(nn.Module):
    """A transposed convolution on (B, C, H, W) without padding, cropped to the same result.

    The least change that makes one with `output_padding` convert at all; slow, and meant for
    comparison.

    Raises:
        ConversionError: the output reaches beyond what the kernel writes, so that there is
            nothing to crop.
    """

    def __init__(self, conv: nn.ConvTranspose2d) -> None:
        super().__init__()
        self.weight, self.bias = conv.weight, conv.bias
        self.stride, self.dilation = _pair(conv.stride), _pair(conv.dilation)
        self.groups = conv.groups
        self.first = _pair(conv.padding)
        self.beyond = tuple(
            pad - extra for pad, extra in zip(self.first, _pair(conv.output_padding), strict=True)
        )
        if min(self.beyond) < 0:
            raise ConversionError(f"{conv}: output_padding above padding leaves nothing to crop")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, C', H', W')."""
        y = functional.conv_transpose2d(
            x, self.weight, self.bias, self.stride, 0, 0, self.groups, self.dilation
        )
        height, width = (y.shape[2 + axis] - self.beyond[axis] for axis in (0, 1))
        return y[:, :, self.first[0] : height, self.first[1] : width]


def _tail_taps(conv: nn.ConvTranspose2d, axis: int, phase: int) -> dict[int, dict[int, int]]:
    """By source offset d, ascending: the output positions p it reaches, and through which k."""
    kernel, stride, padding = conv.kernel_size[axis], conv.stride[axis], int(conv.padding[axis])
    reached = {}
    for offset in range(-kernel, kernel + 1):
        start = padding - stride**2 * offset - stride * phase
        taps = {p: start + p for p in range(stride**2) if 0 <= start + p < kernel}
        if taps:
            reached[offset] = taps
    return reached


def _plain_conv(weight: torch.Tensor, bias: torch.Tensor | None) -> nn.Conv2d:
    """A convolution without padding with these weights (C', C, rows, columns)."""
    outputs, inputs, *kernel = weight.shape
    empty = nn.Conv2d(inputs, outputs, _pair(tuple(kernel)), device="meta", dtype=weight.dtype)
    return with_weights(empty, weight, weight.new_zeros(outputs) if bias is None else bias)


def _padded_conv(conv: nn.Module, x: torch.Tensor, margins: tuple[int, ...]) -> torch.Tensor:
    """The convolution of (B, H, W, C) after adding (left, right, top, bottom) zeros."""
    assert isinstance(conv, nn.Conv2d)
    return conv_nhwc(conv, functional.pad(x, (0, 0, *margins)))


def _pair(values: str | tuple[int, ...]) -> tuple[int, int]:
    """Sizes of rows and columns; torch allows the text "same" for some padding, never here."""
    height, width = (int(value) for value in values)
    return height, width
