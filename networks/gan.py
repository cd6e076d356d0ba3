"""The fruit GAN: a generator of 128x128 grayscale images and its discriminator.

The two mirror each other in five layers. `width` is the number of channels next to
the image; 64 is the published size, smaller ones are for demonstrations and tests.
"""

import torch
from torch import nn

IMAGE_SIZE = 128
NOISE_DIM = 100
WIDTH = 64
SEED_SIZE = 8
_KERNEL = 5
SLOPE = 0.2
_DROPOUT = 0.3


def _upsample(in_channels: int, out_channels: int) -> nn.ConvTranspose2d:
    """A transposed convolution that exactly doubles height and width."""
    return nn.ConvTranspose2d(
        in_channels, out_channels, _KERNEL, stride=2, padding=2, output_padding=1
    )


def _downsample(in_channels: int, out_channels: int) -> nn.Conv2d:
    """A convolution that exactly halves height and width."""
    return nn.Conv2d(in_channels, out_channels, _KERNEL, stride=2, padding=2)


class Generator(nn.Module):
    """Noise (B, noise_dim) ~ N(0, 1) to images (B, 1, 128, 128) in [-1, 1].

    7,678,849 parameters at the published size (noise_dim 100, width 64).
    """

    def __init__(self, noise_dim: int = NOISE_DIM, width: int = WIDTH) -> None:
        super().__init__()
        self.noise_dim = noise_dim
        self.width = width
        features = 8 * width * SEED_SIZE * SEED_SIZE
        self.fc = nn.Linear(noise_dim, features)
        self.bn0 = nn.BatchNorm1d(features)
        self.deconv1 = _upsample(8 * width, 4 * width)
        self.bn1 = nn.BatchNorm2d(4 * width)
        self.deconv2 = _upsample(4 * width, 2 * width)
        self.bn2 = nn.BatchNorm2d(2 * width)
        self.deconv3 = _upsample(2 * width, width)
        self.bn3 = nn.BatchNorm2d(width)
        self.deconv4 = _upsample(width, 1)
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

    4,336,129 parameters at the published size (width 64).
    """

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.width = width
        self.conv1 = _downsample(1, width)
        self.conv2 = _downsample(width, 2 * width)
        self.conv3 = _downsample(2 * width, 4 * width)
        self.conv4 = _downsample(4 * width, 8 * width)
        self.fc = nn.Linear(8 * width * SEED_SIZE * SEED_SIZE, 1)
        self.activation = nn.LeakyReLU(SLOPE)
        self.dropout = nn.Dropout(_DROPOUT)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(B, 1, 128, 128) -> (B, 1)."""
        x = image
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            x = self.dropout(self.activation(conv(x)))  # half the size, twice the channels
        logit: torch.Tensor = self.fc(x.flatten(1))
        return logit
