"""Exact rewrites of what looks at neighbouring pixels: strided, padded and depthwise convolutions.

All work on one image, (1, H, W, C), in tensors of rank 4 at most. A convolution becomes a Linear
on pixels laid side by side, so that no large weight has more than two axes.
"""

from itertools import starmap

import torch
from torch import nn
from torch.nn import functional

from chunkport.errors import ConversionError
from wrappers.rewrite import conv_nhwc
from wrappers.rewrite_norms import frozen

_KERNEL = 7
_CENTRE = _KERNEL // 2
_ROWS = ((0, 3), (3, 4), (4, 7))
_COLUMNS_AT_ONCE = 64  # a whole identity of a large picture's size would fill the memory


def space_to_depth(x: torch.Tensor, block: int) -> torch.Tensor:
    """(1, H, W, C) -> (1, H // block, W // block, block * block * C).

    Rows and columns that fill no block are left out, as a convolution of that stride does.
    """
    _, height, width, channels = x.shape
    rows, columns = height // block, width // block
    x = x[:, : rows * block, : columns * block]
    x = x.reshape(rows, block, columns, block * channels).transpose(1, 2)
    return x.reshape(1, rows, columns, block * block * channels)


def reflect(x: torch.Tensor) -> torch.Tensor:
    """(1, H, W, C) -> (1, H + 2, W + 2, C), reflected at the borders; H, W >= 2.

    By slices and concatenations, which XNNPACK has; MIRROR_PAD it has not.
    """
    x = torch.cat([x[:, 1:2], x, x[:, -2:-1]], 1)
    return torch.cat([x[:, :, 1:2], x, x[:, :, -2:-1]], 2)


def neighbourhoods(x: torch.Tensor) -> torch.Tensor:
    """(1, H + 2, W + 2, C) -> (1, H, W, 9 C): each pixel's 3x3, rows then columns.

    Three and three, because XNNPACK concatenates up to five tensors at once.
    """
    height, width = x.shape[1] - 2, x.shape[2] - 2
    x = torch.cat([x[:, :, column : column + width] for column in range(3)], -1)
    return torch.cat([x[:, row : row + height] for row in range(3)], -1)


class RowSplitDepthwise(nn.Module):
    """A 7x7 depthwise convolution with padding 3 as the sum of its kernel rows 0-2, 3 and 4-6.

    XNNPACK has fast kernels of up to 25 taps. Each part has zeros of its own around it, which
    XNNPACK merges with the convolution, and reads just the rows of the image that it needs.

    Raises:
        ConversionError: the convolution is of another kind.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        kind = (tuple(conv.kernel_size), conv.padding, tuple(conv.stride), tuple(conv.dilation))
        if kind != ((7, 7), (3, 3), (1, 1), (1, 1)) or conv.groups != conv.out_channels:
            raise ConversionError(f"{conv}: only 7x7 depthwise with padding 3 splits by rows")
        self.parts = nn.ModuleList(starmap(lambda first, end: _rows_of(conv, first, end), _ROWS))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(1, H, W, C) -> (1, H, W, C), H >= 2."""
        height = x.shape[1]
        sums = []
        for part, (first, end) in zip(self.parts, _ROWS, strict=True):
            assert isinstance(part, nn.Conv2d)
            # Kernel row k of output row i reads image row i + k - 3; rows beyond it are zeros.
            above, below = max(_CENTRE - first, 0), max(end - 1 - _CENTRE, 0)
            rows = x[:, max(first - _CENTRE, 0) : height - max(_CENTRE + 1 - end, 0)]
            padded = functional.pad(rows, (0, 0, _CENTRE, _CENTRE, above, below))
            sums.append(conv_nhwc(part, padded))
        return sums[0] + sums[1] + sums[2]


def _rows_of(conv: nn.Conv2d, first: int, end: int) -> nn.Conv2d:
    """The convolution with these rows of the kernel alone; the first part carries the bias."""
    with_bias = first == 0 and conv.bias is not None
    part = nn.Conv2d(
        conv.in_channels,
        conv.out_channels,
        (end - first, _KERNEL),
        groups=conv.groups,
        bias=with_bias,
        device="meta",
        dtype=conv.weight.dtype,
    )
    part.weight = frozen(conv.weight[:, :, first:end])
    if with_bias and conv.bias is not None:
        part.bias = frozen(conv.bias)
    return part


class AntialiasedResize(nn.Module):
    """The bilinear resize with antialiasing to size x size as two fixed matrices.

    Bilinear resizing is linear and separable, so what it makes of an identity matrix is its
    matrix: the same function for every image, to rounding.
    """

    def __init__(self, height: int, width: int, size: int, *, channels_last: bool) -> None:
        super().__init__()
        self.channels_last = channels_last
        self.register_buffer("rows", resize_matrix(height, size))
        self.register_buffer("columns", resize_matrix(width, size).T.contiguous())

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(1, H, W, 3), or (1, 3, H, W) without `channels_last`, -> (1, size, size, 3)."""
        rows, columns = self.get_buffer("rows"), self.get_buffer("columns")
        if self.channels_last:
            _, height, width, channels = image.shape
            x = rows @ image.reshape(height, width * channels)  # (size, W * 3)
            x = x.reshape(-1, width, channels).transpose(1, 2) @ columns  # (size, 3, size)
            return x.transpose(1, 2).unsqueeze(0)
        x = (rows @ image[0]) @ columns  # (3, size, size)
        return x.permute(1, 2, 0).unsqueeze(0)


def resize_matrix(before: int, after: int) -> torch.Tensor:
    """(after, before) in float64: each new pixel's weights on the old ones along one axis."""
    matrix = torch.empty(after, before, dtype=torch.float64)
    for first in range(0, before, _COLUMNS_AT_ONCE):
        count = min(_COLUMNS_AT_ONCE, before - first)
        identity = torch.zeros(1, 1, count, before, dtype=torch.float64)
        identity[0, 0, :, first : first + count].fill_diagonal_(1)
        # The columns, because PyTorch resizes the rows of an image that is one pixel wide wrongly.
        resized = functional.interpolate(
            identity, (count, after), mode="bilinear", align_corners=False, antialias=True
        )
        matrix[:, first : first + count] = resized[0, 0].T
    return matrix
