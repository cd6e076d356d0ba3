"""The ConvNeXt V2 detectors for TFLite: NHWC, norms folded, one partition for XNNPACK, one image.

ChunkySeal, PixelSeal and VideoSeal 1.0. The head that they share with the transformer is here.
"""

import math

import torch
from torch import nn
from torch.nn import functional

from networks import convnext
from networks.channel_norm import NORM_EPSILON, ChannelNorm
from networks.detector import ConvNextDetector
from networks.pixel_decoder import PixelDecoder, UpsampleBlock
from wrappers.rewrite import conv_nhwc
from wrappers.rewrite_norms import (
    Norm,
    NormedLinear,
    as_matrix,
    frozen,
    linear,
    mean_in_parts,
    root_energy,
    scale_inputs,
    shift_inputs,
    standardise,
    times_vector,
)
from wrappers.rewrite_pixels import RowSplitDepthwise, neighbourhoods, reflect, space_to_depth
from wrappers.rewrite_ranges import energies_in_proportion
from wrappers.spec import Target

_GRN_EPSILON = 1e-6


def centre(image: torch.Tensor) -> torch.Tensor:
    """[0, 1] -> [-0.5, 0.5], half of the normalisation of the image.

    This half stays in the graph: integer weights are a little off, and the mean of the image
    would add up what they are off by.
    """
    return image - 0.5


def doubled(conv: nn.Conv2d) -> torch.Tensor:
    """The weight for a centred image, the other half: W (2 x - 1) = 2 W (x - 0.5), exactly."""
    return 2 * conv.weight.detach()


class Stem(nn.Module):
    """Image to the first features.

    The norm's own constants stay: the residual sums begin with what it gives.
    """

    def __init__(self, conv: nn.Conv2d, norm: ChannelNorm, *, target: Target | None = None) -> None:
        super().__init__()
        weight = doubled(conv)
        size, stride = conv.kernel_size[0], conv.stride[0]
        self.block = size if stride == size else None  # blocks that do not overlap
        if self.block:
            self.layer: nn.Linear | nn.Conv2d = linear(as_matrix(weight), conv.bias)
        else:
            self.layer = nn.Conv2d(
                conv.in_channels, conv.out_channels, size, stride, device="meta", dtype=weight.dtype
            )
            self.layer.weight = frozen(weight)
            self.layer.bias = None if conv.bias is None else frozen(conv.bias)
        self.norm = Norm(norm.weight, norm.bias, NORM_EPSILON, target=target)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(1, S, S, 3) in [0, 1] -> (1, s, s, C)."""
        if isinstance(self.layer, nn.Conv2d):
            x = conv_nhwc(self.layer, centre(image))
        else:
            x = self.layer(space_to_depth(centre(image), self.block or 1))
        out: torch.Tensor = self.norm(x)
        return out


class Halve(nn.Module):
    """LayerNorm and a 2x2 convolution of stride 2, which is a Linear on blocks of pixels."""

    def __init__(self, norm: ChannelNorm, conv: nn.Conv2d, *, target: Target | None = None) -> None:
        super().__init__()
        self.target = target
        bias = shift_inputs(conv.weight, conv.bias, norm.bias)
        self.linear = linear(as_matrix(scale_inputs(conv.weight, norm.weight)), bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(1, H, W, C) -> (1, H // 2, W // 2, C')."""
        y = standardise(x, NORM_EPSILON, target=self.target)
        out: torch.Tensor = self.linear(space_to_depth(y, 2))
        return out


class Block(nn.Module):
    """A ConvNeXt V2 block; the global response norm keeps one multiplication.

    gamma * (x * response) + beta + x = x * (gamma * response + 1) + beta, and beta joins the bias
    of the Linear that follows.
    """

    def __init__(self, block: convnext.Block, *, target: Target | None = None) -> None:
        super().__init__()
        self.target = target
        self.dwconv = RowSplitDepthwise(block.dwconv)
        norm, wide, narrow = block.norm, block.pwconv1, block.pwconv2
        self.pwconv1 = NormedLinear(
            norm.weight, norm.bias, norm.eps, wide.weight, wide.bias, target=target
        )
        self.gamma = frozen(block.grn.gamma)
        bias = narrow.bias.double() + times_vector(narrow.weight, block.grn.beta)
        self.pwconv2 = linear(narrow.weight, bias.to(narrow.weight.dtype))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(1, H, W, C) -> (1, H, W, C)."""
        y = functional.gelu(self.pwconv1(self.dwconv(x)))  # (1, H, W, 4C)
        out: torch.Tensor = x + self.pwconv2(y * (self._weighted_response(y) + 1))
        return out

    def _weighted_response(self, y: torch.Tensor) -> torch.Tensor:
        """(1, H, W, 4C) -> gamma times each channel's energy by the mean's, (1, 1, 1, 4C)."""
        if self.target == "npu":
            root, shrink = energies_in_proportion(y)
            mean = (root / shrink).mean(dim=-1, keepdim=True)
            epsilon = _GRN_EPSILON / math.sqrt(y.shape[1] * y.shape[2])  # of a mean, not a sum
            return self.gamma * root / shrink / (mean + epsilon)
        if self.target == "gpu":
            energy = root_energy(y)
            mean = mean_in_parts(energy)
        else:
            energy = torch.sqrt((y * y).sum(dim=(1, 2), keepdim=True))  # (1, 1, 1, 4C)
            mean = energy.mean(dim=-1, keepdim=True)
        return self.gamma * (energy / (mean + _GRN_EPSILON))


class Head(nn.Module):
    """Features to logits. The 3x3 convolution is a Linear on the pixels' neighbourhoods.

    Args:
        decoder: the head as trained.
        features: the norm that made the features, where its scale and shift are still to be
            applied. They fold into the convolution: reflected borders are features like others.
        target: what is to compute it.
    """

    def __init__(
        self,
        decoder: PixelDecoder,
        features: ChannelNorm | None = None,
        *,
        target: Target | None = None,
    ) -> None:
        super().__init__()
        block = decoder.output_upscaling[0]
        assert isinstance(block, UpsampleBlock)
        _, _, conv, norm, _ = block.upsample_block
        assert isinstance(conv, nn.Conv2d)
        assert isinstance(norm, ChannelNorm)
        weight: torch.Tensor = conv.weight
        bias = None
        if features is not None:
            bias = shift_inputs(weight, None, features.bias)
            weight = scale_inputs(weight, features.weight)
        self.conv = linear(as_matrix(weight), bias)
        self.norm = Norm(norm.weight, norm.bias, NORM_EPSILON, target=target)
        self.linear = linear(decoder.linear.weight, decoder.linear.bias)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(1, s, s, C) -> (1, 1 + nbits)."""
        y = functional.gelu(self.norm(self.conv(neighbourhoods(reflect(features)))))
        logits: torch.Tensor = self.linear(y.mean(dim=(1, 2)))
        return logits


class ConvNextForTflite(nn.Module):
    """(1, S, S, 3) in [0, 1] to logits (1, 1 + nbits)."""

    def __init__(self, network: ConvNextDetector, *, target: Target | None = None) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        encoder = network.convnext
        for index, (down, stage) in enumerate(
            zip(encoder.downsample_layers, encoder.stages, strict=True)
        ):
            assert isinstance(down, nn.Sequential)
            assert isinstance(stage, nn.Sequential)
            layers.append(_downsample(down, first=index == 0, target=target))
            blocks = (block for block in stage if isinstance(block, convnext.Block))
            layers += [Block(block, target=target) for block in blocks]
        self.encoder = nn.Sequential(*layers)
        self.head = Head(network.pixel_decoder, target=target)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(1, S, S, 3) in [0, 1] -> (1, 1 + nbits)."""
        logits: torch.Tensor = self.head(self.encoder(image))
        return logits


def _downsample(layers: nn.Sequential, *, first: bool, target: Target | None) -> Stem | Halve:
    """The stem normalises what it made; later ones normalise what they take."""
    one, other = layers
    if first:
        assert isinstance(one, nn.Conv2d)
        assert isinstance(other, ChannelNorm)
        return Stem(one, other, target=target)
    assert isinstance(one, ChannelNorm)
    assert isinstance(other, nn.Conv2d)
    return Halve(one, other, target=target)
