"""Exact rewrites: the same function as a module as trained, in a form that TFLite runs fast.

New weights are computed in float64 and rounded once to the dtype of the old ones. The spatial
pieces work on NHWC tensors, the layout that TFLite runs in, so that no transpose is left between
them, and nothing has more than four dimensions.
"""

import copy
from typing import TypeVar

import torch
from torch import nn

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
    return with_weights(
        layer, layer.weight.double() * scale.view(broadcast), bias.double() * scale + shift
    )


def linear_to_nhwc(layer: nn.Linear, channels: int, height: int, width: int) -> nn.Linear:
    """The layer with its outputs, meant as (C, H, W), reordered to (H, W, C)."""
    order = torch.arange(layer.out_features).view(channels, height, width).permute(1, 2, 0)
    order = order.reshape(-1)
    bias = torch.zeros(layer.out_features) if layer.bias is None else layer.bias
    return with_weights(layer, layer.weight.double()[order], bias.double()[order])


def conv_nhwc(conv: nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
    """Apply a convolution to (B, H, W, C); the two permutes vanish in conversion."""
    y: torch.Tensor = conv(x.permute(0, 3, 1, 2))
    return y.permute(0, 2, 3, 1)


def with_weights(layer: Layer, weight: torch.Tensor, bias: torch.Tensor) -> Layer:
    """A copy of `layer` with these weights, in the dtype of its own."""

    def parameter(values: torch.Tensor) -> nn.Parameter:
        values = values.detach().to(layer.weight.dtype).contiguous()
        return nn.Parameter(values, requires_grad=False)

    clone = copy.deepcopy(layer, {id(layer.weight): parameter(weight)})
    clone.bias = parameter(bias)
    return clone.eval()
