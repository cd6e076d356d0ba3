"""The head of the watermark detectors: features to one logit per bit of the message.

Its checkpoints come from a decoder that can also enlarge the features and answer for each
pixel. Every published detector keeps the size and answers once per image, and so does this one;
the names below are those of their checkpoints, where the enlarging is step 0 and the reflection
step 1 of the block.
"""

import torch
from torch import nn

from networks.channel_norm import ChannelNorm


class UpsampleBlock(nn.Module):
    """A 3x3 convolution over reflected borders, normalised and activated; the size stays."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.upsample_block = nn.Sequential(
            nn.Identity(),  # would enlarge, by a factor of 1
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, kernel_size=3, bias=False),
            ChannelNorm(channels),
            nn.GELU(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, s, s) -> (B, C, s, s), s >= 2."""
        out: torch.Tensor = self.upsample_block(x)
        return out


class PixelDecoder(nn.Module):
    """Features (B, C, s, s) to logits (B, 1 + nbits).

    Logit 0 belongs to a mask that the published detectors do not use; the message's bit i is 1
    where logit 1 + i is above 0.
    """

    def __init__(self, channels: int, nbits: int) -> None:
        super().__init__()
        self.output_upscaling = nn.Sequential(UpsampleBlock(channels))
        self.linear = nn.Linear(channels, 1 + nbits)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(B, C, s, s) -> (B, 1 + nbits)."""
        x = self.output_upscaling(features).mean(dim=(2, 3))  # (B, C)
        logits: torch.Tensor = self.linear(x)
        return logits
