"""The small watermark embedder: a picture and a message in, the marked picture out.

The message becomes a tile of features that repeats over the picture, so that every part of it that
is as large as a tile says the whole message; blocks of ConvNeXt V2 fit the tiles to what they lie
on. The mark is on the luminance alone, because JPEG and resizing are kindest to it, and no finer
than two pixels, so that a picture of half the size still has it all. It is as strong as the
picture hides it, with the same root mean square in all pictures: the PSNR is a setting of the
embedder and not an outcome of its training.
"""

import math

import torch
from torch import nn
from torch.nn import functional

from networks.channel_norm import ChannelNorm
from networks.convnext import Block
from networks.embedder_card import GRAIN, PATCH, EmbedderCard

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as JPEG has it
_WINDOW = 5  # pixels a side over which a picture's activity is measured
_LEAST_ACTIVITY = 0.02  # what a plain wall hides
_MOST_ACTIVITY = 0.22  # beyond this no texture hides more


class Embedder(nn.Module):
    """Pictures (B, 3, H, W) in [0, 1] and messages (B, nbits) of 0 and 1 to marked pictures.

    The network looks at pictures of `image_size` pixels a side; others are resized for it, and
    its mark is resized back, as the public embedders do. What the picture hides is measured at
    that size too: it is what the detector will see.
    """

    def __init__(self, card: EmbedderCard) -> None:
        super().__init__()
        self.card = card
        channels, tile = card.channels, card.tile
        self.stem = nn.Sequential(
            nn.Conv2d(3, channels, PATCH, stride=PATCH), ChannelNorm(channels)
        )
        self.message = nn.Linear(card.nbits, channels * tile * tile)
        if not self.message.weight.is_meta:  # for that PyTorch would load its compiler, for seconds
            nn.init.normal_(self.message.weight, std=1 / math.sqrt(card.nbits))
            nn.init.zeros_(self.message.bias)
        self.blocks = nn.Sequential(*(Block(channels) for _ in range(card.depth)))
        self.head = nn.Conv2d(channels, (PATCH // GRAIN) ** 2, kernel_size=1)

    def forward(
        self, image: torch.Tensor, message: torch.Tensor, rms: float | None = None
    ) -> torch.Tensor:
        """(B, 3, H, W) and (B, nbits) -> (B, 3, H, W) in [0, 1], not rounded to bytes.

        `rms` is the mark's root mean square, in units of the range; None for the card's own.
        """
        small = _resized(image, (self.card.image_size,) * 2)
        pattern, hides = self._pattern(small, message), activity(small)
        mark = torch.tanh(_resized(pattern, image.shape[2:])) * _resized(hides, image.shape[2:])
        strength = self.card.rms if rms is None else rms
        energy = mark.square().mean(dim=(1, 2, 3), keepdim=True)
        return (image + mark * (strength * torch.rsqrt(energy + 1e-12))).clamp(0, 1)

    def _pattern(self, image: torch.Tensor, message: torch.Tensor) -> torch.Tensor:
        """(B, 3, S, S) and (B, nbits) -> (B, 1, S / 2, S / 2), of any size of values."""
        tile, side = self.card.tile, self.card.image_size // PATCH
        tiles = self.message(message * 2 - 1).unflatten(1, (-1, tile, tile))  # (B, C, tile, tile)
        repeats = -(-side // tile)
        tiles = tiles.repeat(1, 1, repeats, repeats)[:, :, :side, :side]
        features = self.blocks(self.stem(image * 2 - 1) + tiles)  # (B, C, S / 4, S / 4)
        return functional.pixel_shuffle(self.head(features), PATCH // GRAIN)


def activity(image: torch.Tensor) -> torch.Tensor:
    """How much of a mark each pixel hides: the mean deviation of its surroundings' luminance.

    (B, 3, H, W) in [0, 1] -> (B, 1, H, W), between the activity of a plain wall and the most that
    counts. Eyes miss in texture what they see on a wall (contrast masking; Watson 1993).
    """
    weights = image.new_tensor(_LUMA).view(1, 3, 1, 1)
    luma = (image * weights).sum(dim=1, keepdim=True)
    deviation = (luma - _local_mean(luma)).abs()
    return _LEAST_ACTIVITY + _local_mean(deviation).clamp(max=_MOST_ACTIVITY - _LEAST_ACTIVITY)


def _local_mean(plane: torch.Tensor) -> torch.Tensor:
    """(B, 1, H, W) -> (B, 1, H, W); borders are repeated outwards."""
    reach = _WINDOW // 2
    return functional.avg_pool2d(
        functional.pad(plane, (reach,) * 4, mode="replicate"), _WINDOW, stride=1
    )


def _resized(x: torch.Tensor, size: tuple[int, ...] | torch.Size) -> torch.Tensor:
    """(B, C, H, W) -> (B, C, *size), without aliasing."""
    if tuple(x.shape[2:]) == tuple(size):
        return x
    return functional.interpolate(
        x, tuple(size), mode="bilinear", align_corners=False, antialias=True
    )
