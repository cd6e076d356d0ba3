"""ConvNeXt V2, the image encoder of most of the watermark detectors.

S. Woo et al., "ConvNeXt V2: Co-designing and Scaling ConvNets with Masked Autoencoders", 2023.
The detectors use it without its classifier head; ChunkySeal's stem has stride 2, not 4.
"""

from itertools import pairwise

import torch
from torch import nn

from networks.cards import STEM_KERNEL, ConvNextEncoder
from networks.channel_norm import NORM_EPSILON, ChannelNorm

_DEPTHWISE_KERNEL = 7
_EXPANSION = 4
_GRN_EPSILON = 1e-6


class GlobalResponseNorm(nn.Module):
    """Weigh each channel by its energy over the image, relative to the mean channel's energy.

    Section 3.2 of the paper. The parameters keep the four axes that checkpoints give them.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1, 1, 1, channels))
        self.beta = nn.Parameter(torch.zeros(1, 1, 1, channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, H, W, C) -> (B, H, W, C)."""
        energy = torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True)  # (B, 1, 1, C)
        response = energy / (energy.mean(dim=-1, keepdim=True) + _GRN_EPSILON)
        out: torch.Tensor = self.gamma * (x * response) + self.beta + x
        return out


class Block(nn.Module):
    """Mix each channel over 7x7 pixels, then the channels of each pixel; add the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        wide = _EXPANSION * channels
        self.dwconv = nn.Conv2d(
            channels, channels, _DEPTHWISE_KERNEL, padding=_DEPTHWISE_KERNEL // 2, groups=channels
        )
        self.norm = nn.LayerNorm(channels, eps=NORM_EPSILON)
        self.pwconv1 = nn.Linear(channels, wide)
        self.act = nn.GELU()
        self.grn = GlobalResponseNorm(wide)
        self.pwconv2 = nn.Linear(wide, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        y = self.dwconv(x).permute(0, 2, 3, 1)  # (B, H, W, C)
        y = self.grn(self.act(self.pwconv1(self.norm(y))))  # (B, H, W, 4C)
        y = self.pwconv2(y).permute(0, 3, 1, 2)  # (B, C, H, W)
        out: torch.Tensor = x + y
        return out


class ConvNextV2(nn.Module):
    """Images (B, 3, S, S) to features (B, dims[-1], s, s), s = `encoder.feature_size(S)`.

    Published models take S = 256 to s = 8 (stem of stride 4) or 15 (stride 2).
    """

    def __init__(self, encoder: ConvNextEncoder) -> None:
        super().__init__()
        dims = encoder.dims
        stem = nn.Conv2d(3, dims[0], STEM_KERNEL, stride=encoder.stem_stride)
        self.downsample_layers = nn.ModuleList([nn.Sequential(stem, ChannelNorm(dims[0]))])
        for narrow, wide in pairwise(dims):
            halve = nn.Conv2d(narrow, wide, kernel_size=2, stride=2)
            self.downsample_layers.append(nn.Sequential(ChannelNorm(narrow), halve))
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(dim) for _ in range(depth)))
            for depth, dim in zip(encoder.depths, dims, strict=True)
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(B, 3, S, S) -> (B, dims[-1], s, s)."""
        x = image
        for downsample, stage in zip(self.downsample_layers, self.stages, strict=True):
            x = stage(downsample(x))
        return x
