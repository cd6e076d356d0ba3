"""The fruit GAN: a generator of 128x128 grayscale images and its discriminator.

The two mirror each other in five layers. `width` is the number of channels next to
the image; 64 is the published size, smaller ones are for demonstrations and tests.
"""

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

IMAGE_SIZE = 128
NOISE_DIM = 100
WIDTH = 64
SEED_SIZE = 8
_KERNEL = 5
SLOPE = 0.2
DROPOUT = 0.3
UPSAMPLINGS = {"transposed": _KERNEL, "transposed-4": 4, "resize": 3}
"""How a generator doubles sizes, and the kernel by which its weights tell.

The published 5x5 kernel with stride 2 writes 9 taps to one pixel and 4 to another, which shows as a
checkerboard. Of 4x4 taps each pixel gets 4. An enlarged picture that is then convolved has none by
construction: all of its pixels get the same 3x3 (Odena et al. 2016, "Deconvolution and checkerboard
artifacts").
"""


class ResizeConv2d(nn.Conv2d):
    """Every pixel doubled in both directions, then a 3x3 convolution."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, UPSAMPLINGS["resize"], padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, C', 2H, 2W)."""
        return super().forward(functional.interpolate(x, scale_factor=2.0, mode="nearest"))


Upsampler = nn.ConvTranspose2d | ResizeConv2d


def _upsample(in_channels: int, out_channels: int, upsampling: str) -> Upsampler:
    """A layer that exactly doubles height and width."""
    if upsampling == "resize":
        return ResizeConv2d(in_channels, out_channels)
    kernel = UPSAMPLINGS[upsampling]
    even = kernel % 2 == 0
    return nn.ConvTranspose2d(
        in_channels,
        out_channels,
        kernel,
        stride=2,
        padding=1 if even else 2,
        output_padding=0 if even else 1,
    )


def upsampling_of(weights: Mapping[str, torch.Tensor]) -> str:
    """How the generator with this state dict doubles sizes.

    Raises:
        KeyError: it is no such generator's.
    """
    kernel = weights["deconv4.weight"].shape[-1]
    return {size: name for name, size in UPSAMPLINGS.items()}[kernel]


def _downsample(in_channels: int, out_channels: int) -> nn.Conv2d:
    """A convolution that exactly halves height and width."""
    return nn.Conv2d(in_channels, out_channels, _KERNEL, stride=2, padding=2)


class Generator(nn.Module):
    """Noise (B, noise_dim) ~ N(0, 1) to images (B, 1, 128, 128) in [-1, 1].

    7,678,849 parameters at the published size (noise_dim 100, width 64), where `upsampling` is the
    published one of `UPSAMPLINGS`.
    """

    def __init__(
        self, noise_dim: int = NOISE_DIM, width: int = WIDTH, upsampling: str = "transposed"
    ) -> None:
        super().__init__()
        self.noise_dim = noise_dim
        self.width = width
        features = 8 * width * SEED_SIZE * SEED_SIZE
        self.fc = nn.Linear(noise_dim, features)
        self.bn0 = nn.BatchNorm1d(features)
        self.deconv1 = _upsample(8 * width, 4 * width, upsampling)
        self.bn1 = nn.BatchNorm2d(4 * width)
        self.deconv2 = _upsample(4 * width, 2 * width, upsampling)
        self.bn2 = nn.BatchNorm2d(2 * width)
        self.deconv3 = _upsample(2 * width, width, upsampling)
        self.bn3 = nn.BatchNorm2d(width)
        self.deconv4 = _upsample(width, 1, upsampling)
        self.activation = nn.LeakyReLU(SLOPE)

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        """(B, noise_dim) -> (B, 1, 128, 128) in [-1, 1]."""
        x = self.activation(self.bn0(self.fc(latent)))
        x = x.view(-1, 8 * self.width, SEED_SIZE, SEED_SIZE)  # (B, 8w, 8, 8)
        x = self.activation(self.bn1(self.deconv1(x)))  # (B, 4w, 16, 16)
        x = self.activation(self.bn2(self.deconv2(x)))  # (B, 2w, 32, 32)
        x = self.activation(self.bn3(self.deconv3(x)))  # (B, w, 64, 64)
        return torch.tanh(self.deconv4(x))  # (B, 1, 128, 128)


class Discriminator(nn.Module):
    """Images (B, 1, 128, 128) in [-1, 1] to one logit each (B, 1); above 0 means real.

    4,336,129 parameters at the published size (width 64). While it learns, a share `dropout` of
    every layer's outputs is dropped.
    """

    def __init__(self, width: int = WIDTH, dropout: float = DROPOUT) -> None:
        super().__init__()
        self.width = width
        self.conv1 = _downsample(1, width)
        self.conv2 = _downsample(width, 2 * width)
        self.conv3 = _downsample(2 * width, 4 * width)
        self.conv4 = _downsample(4 * width, 8 * width)
        self.fc = nn.Linear(8 * width * SEED_SIZE * SEED_SIZE, 1)
        self.activation = nn.LeakyReLU(SLOPE)
        self.dropout = nn.Dropout(dropout)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(B, 1, 128, 128) -> (B, 1)."""
        x = image
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            x = self.dropout(self.activation(conv(x)))  # half the size, twice the channels
        logit: torch.Tensor = self.fc(x.flatten(1))
        return logit

    def limit_gain(self) -> None:
        """Divide each layer's weights, as a matrix (outputs, taps), by its largest singular value.

        Spectral normalization (Miyato et al. 2018). A pixel is in up to nine patches that a
        convolution sees, which may so still stretch a picture, threefold at most. It begins with
        random vectors, and changes the names of the weights.
        """
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4, self.fc):
            spectral_norm(layer)
