"""The public watermark detectors: an image encoder and the head that reads the message.

State-dict keys are those of the published checkpoints below `detector.`. The published models:
ChunkySeal (773,715,209 parameters, 1024 bits), PixelSeal and VideoSeal 1.0 (33,372,545, 256 bits),
all ConvNeXt V2; VideoSeal 0.0 (24,559,713, 96 bits), a vision transformer.
"""

import torch
from torch import nn

from networks.cards import ConvNextEncoder, DetectorCard, VitEncoder
from networks.convnext import ConvNextV2
from networks.pixel_decoder import PixelDecoder
from networks.vit import ImageEncoderVit


def normalise(image: torch.Tensor) -> torch.Tensor:
    """[0, 1] -> [-1, 1], the range that the encoders were trained on."""
    return image * 2 - 1


class ConvNextDetector(nn.Module):
    """Images (B, 3, S, S) in [0, 1] to logits (B, 1 + nbits); see `PixelDecoder`."""

    def __init__(self, encoder: ConvNextEncoder, nbits: int) -> None:
        super().__init__()
        self.convnext = ConvNextV2(encoder)
        self.pixel_decoder = PixelDecoder(encoder.dims[-1], nbits)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(B, 3, S, S) in [0, 1] -> (B, 1 + nbits)."""
        logits: torch.Tensor = self.pixel_decoder(self.convnext(normalise(image)))
        return logits


class VitDetector(nn.Module):
    """Images (B, 3, S, S) in [0, 1] to logits (B, 1 + nbits); see `PixelDecoder`."""

    def __init__(self, encoder: VitEncoder, nbits: int) -> None:
        super().__init__()
        self.image_encoder = ImageEncoderVit(encoder)
        self.pixel_decoder = PixelDecoder(encoder.out_chans, nbits)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(B, 3, S, S) in [0, 1] -> (B, 1 + nbits)."""
        logits: torch.Tensor = self.pixel_decoder(self.image_encoder(normalise(image)))
        return logits


Detector = ConvNextDetector | VitDetector


def build_detector(card: DetectorCard) -> Detector:
    """The network that `card` describes, with initial weights, ready for `load_state_dict`.

    Build it under `torch.device("meta")` to take no memory before the weights are there.
    """
    if isinstance(card.encoder, ConvNextEncoder):
        return ConvNextDetector(card.encoder, card.nbits)
    return VitDetector(card.encoder, card.nbits)
