"""LayerNorm over the channels of an image in PyTorch's layout."""

import torch
from torch import nn
from torch.nn import functional

NORM_EPSILON = 1e-6  # ConvNeXt's; the transformer's blocks keep PyTorch's 1e-5


class ChannelNorm(nn.Module):
    """Normalise each pixel of (B, C, H, W) over its C channels, then scale and shift them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        x = x.permute(0, 2, 3, 1)  # (B, H, W, C)
        x = functional.layer_norm(x, x.shape[-1:], self.weight, self.bias, NORM_EPSILON)
        return x.permute(0, 3, 1, 2)
