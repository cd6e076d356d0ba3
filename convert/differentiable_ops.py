"""What the ops of a float .tflite compute, in PyTorch: `(options, output shape, *inputs)`.

Pictures are (N, H, W, C), kernels (out, kh, kw, in), as TFLite has them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

_SAME = 0  # the schema's Padding.SAME; 1 is VALID
# By the schema's ActivationFunctionType.
_FUSED: Mapping[int, Callable[[Tensor], Tensor]] = {
    0: lambda x: x,
    1: torch.relu,
    2: lambda x: x.clamp(-1, 1),
    3: lambda x: x.clamp(0, 6),
    4: torch.tanh,
}


def convolution(
    options: Any, shape: tuple[int, ...], x: Tensor, weight: Tensor, bias: Tensor | None = None
) -> Tensor:
    """CONV_2D."""
    return _convolved(options, x, weight.permute(0, 3, 1, 2), bias, groups=1)


def depthwise(
    options: Any, shape: tuple[int, ...], x: Tensor, weight: Tensor, bias: Tensor | None = None
) -> Tensor:
    """DEPTHWISE_CONV_2D; its kernel is (1, kh, kw, out)."""
    return _convolved(options, x, weight.permute(3, 0, 1, 2), bias, groups=x.shape[3])


def _convolved(options: Any, x: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> Tensor:
    strides = (options.strideH, options.strideW)
    dilation = (options.dilationHFactor, options.dilationWFactor)
    x = _with_margin(options, x.permute(0, 3, 1, 2), (weight.shape[2], weight.shape[3]))
    y = functional.conv2d(x, weight, bias, strides, 0, dilation, groups)
    return _FUSED[options.fusedActivationFunction](y.permute(0, 2, 3, 1))


def _with_margin(options: Any, x: Tensor, kernel: tuple[int, int]) -> Tensor:
    """(N, C, H, W) with the zeros around it that padding SAME stands for."""
    if options.padding != _SAME:
        return x
    strides = (options.strideH, options.strideW)
    dilation = (options.dilationHFactor, options.dilationWFactor)
    pads: list[int] = []
    for axis in (1, 0):  # the last axis first, as torch pads
        reach = (kernel[axis] - 1) * dilation[axis] + 1
        size, stride = x.shape[2 + axis], strides[axis]
        needed = max((-(-size // stride) - 1) * stride + reach - size, 0)
        pads += [needed // 2, needed - needed // 2]
    return functional.pad(x, pads)


def patches(options: Any, x: Tensor, kernel: tuple[int, int]) -> Tensor:
    """The rows that a CONV_2D of (kh, kw) multiplies by its weights: (places, kh * kw * C)."""
    columns = functional.unfold(
        _with_margin(options, x.permute(0, 3, 1, 2), kernel),
        kernel,
        (options.dilationHFactor, options.dilationWFactor),
        0,
        (options.strideH, options.strideW),
    )
    channels, size = x.shape[3], kernel[0] * kernel[1]
    return columns.unflatten(1, (channels, size)).permute(0, 3, 2, 1).reshape(-1, size * channels)


def fully_connected(
    options: Any, shape: tuple[int, ...], x: Tensor, weight: Tensor, bias: Tensor | None = None
) -> Tensor:
    """FULLY_CONNECTED; what comes in may have any number of axes."""
    y = functional.linear(x.reshape(-1, weight.shape[1]), weight, bias)
    return _FUSED[options.fusedActivationFunction](y).reshape(shape)


def matrix_product(options: Any, shape: tuple[int, ...], a: Tensor, b: Tensor) -> Tensor:
    """BATCH_MATMUL."""
    a = a.transpose(-1, -2) if options.adjX else a
    return a @ (b.transpose(-1, -2) if options.adjY else b)


def _two(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    def computed(options: Any, shape: tuple[int, ...], a: Tensor, b: Tensor) -> Tensor:
        return _FUSED[getattr(options, "fusedActivationFunction", 0)](function(a, b))

    return computed


def _one(function: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    return lambda options, shape, x: function(x)


def _reduced(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def computed(options: Any, shape: tuple[int, ...], x: Tensor, axes: Any) -> Tensor:
        over = tuple(axes) if isinstance(axes, Sequence) else (axes,)
        return function(x, dim=over, keepdim=bool(options.keepDims))

    return computed


def _gelu(options: Any, shape: tuple[int, ...], x: Tensor) -> Tensor:
    return functional.gelu(x, approximate="tanh" if options.approximate else "none")


def _padded(
    options: Any, shape: tuple[int, ...], x: Tensor, pads: Sequence[Sequence[int]]
) -> Tensor:
    return functional.pad(x, [side for axis in reversed(pads) for side in axis])


def _sliced(
    options: Any, shape: tuple[int, ...], x: Tensor, begin: Sequence[int], size: Sequence[int]
) -> Tensor:
    for axis, (first, length) in enumerate(zip(begin, shape, strict=True)):
        x = x.narrow(axis, first, length)
    return x


def _joined(options: Any, shape: tuple[int, ...], *parts: Tensor) -> Tensor:
    joined = torch.cat(parts, dim=options.axis)
    return _FUSED[options.fusedActivationFunction](joined)


def _softmax(options: Any, shape: tuple[int, ...], x: Tensor) -> Tensor:
    return torch.softmax(x * options.beta, dim=-1)


OPERATIONS: Mapping[str, Callable[..., Tensor]] = {
    "ABS": _one(torch.abs),
    "ADD": _two(torch.add),
    "BATCH_MATMUL": matrix_product,
    "CONCATENATION": _joined,
    "CONV_2D": convolution,
    "DEPTHWISE_CONV_2D": depthwise,
    "DIV": _two(torch.div),
    "EXP": _one(torch.exp),
    "FULLY_CONNECTED": fully_connected,
    "GELU": _gelu,
    "LEAKY_RELU": lambda options, shape, x: functional.leaky_relu(x, options.alpha),
    "LOGISTIC": _one(torch.sigmoid),
    "MAXIMUM": _two(torch.maximum),
    "MEAN": _reduced(torch.mean),
    "MINIMUM": _two(torch.minimum),
    "MUL": _two(torch.mul),
    "NEG": _one(torch.neg),
    "PAD": _padded,
    "RELU": _one(torch.relu),
    "RESHAPE": lambda options, shape, x, *_: x.reshape(shape),
    "RSQRT": _one(torch.rsqrt),
    "SLICE": _sliced,
    "SOFTMAX": _softmax,
    "SQRT": _one(torch.sqrt),
    "SQUARE": _one(torch.square),
    "SUB": _two(torch.sub),
    "SUM": _reduced(torch.sum),
    "TANH": _one(torch.tanh),
    "TRANSPOSE": lambda options, shape, x, order: x.permute(order),
}
