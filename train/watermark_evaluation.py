"""How good a watermark is on pictures and messages that training never sees."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from networks.detector import Detector
from networks.embedder import Embedder
from train.distortions import jpeg, resized, rounded
from train.seeds import derived_seed
from train.watermark_state import WatermarkState

EVALUATION_KEYS = ("bit_accuracy", "attacked_bit_accuracy", "psnr_db")
"""Bits read right as they were marked, and the mean of that under each of `_ATTACKS`; the mark's
PSNR against the original, in dB, after rounding to bytes."""
_QUALITY = 70
_BATCH = 32


def _halved(pictures: torch.Tensor) -> torch.Tensor:
    size = pictures.shape[-1]
    return resized(resized(pictures, size // 2), size)


_ATTACKS: tuple[Callable[[torch.Tensor], torch.Tensor], ...] = (
    lambda pictures: jpeg(pictures, _QUALITY),
    _halved,
)


@dataclass(frozen=True)
class HeldOut:
    """Pictures (N, 3, S, S) uint8 and messages (N, nbits) of 0 and 1 to judge a run by."""

    pictures: torch.Tensor
    messages: torch.Tensor


def held_out(pictures: torch.Tensor, size: int, nbits: int, seed: int) -> HeldOut:
    """The middle of each of the pictures (N, 3, H, W) uint8, with random messages of their own."""
    top, left = ((side - size) // 2 for side in pictures.shape[2:])
    pictures = pictures[:, :, top : top + size, left : left + size]
    source = torch.Generator().manual_seed(derived_seed(seed, "held-out messages"))
    messages = torch.randint(0, 2, (len(pictures), nbits), generator=source)
    return HeldOut(pictures, messages.to(torch.float32))


def evaluate(state: WatermarkState, held: HeldOut) -> dict[str, float]:
    """What the pair achieves on held-out pictures, under each of `EVALUATION_KEYS`."""
    device = next(state.parameters()).device
    embedder, detector = state.embedder.eval(), state.detector.eval()
    right: list[torch.Tensor] = []
    attacked: list[torch.Tensor] = []
    decibels: list[torch.Tensor] = []
    with torch.inference_mode():
        for pixels, message in zip(
            torch.split(held.pictures, _BATCH), torch.split(held.messages, _BATCH), strict=True
        ):
            pictures = pixels.to(device, torch.float32) / 255
            messages = message.to(device)
            marked = mark(embedder, pictures, messages)
            right.append(_read_right(detector, marked, messages))
            attacked += [_read_right(detector, attack(marked), messages) for attack in _ATTACKS]
            error = (marked - pictures).square().mean(dim=(1, 2, 3))
            decibels.append(-10 * error.log10())
    means = (torch.cat(values).mean().item() for values in (right, attacked, decibels))
    return dict(zip(EVALUATION_KEYS, means, strict=True))


def mark(embedder: Embedder, pictures: torch.Tensor, messages: torch.Tensor) -> torch.Tensor:
    """Marked pictures as they are stored: rounded to bytes."""
    return rounded(embedder(pictures, messages))


def _read_right(detector: Detector, pictures: torch.Tensor, messages: torch.Tensor) -> torch.Tensor:
    """The part of each picture's bits that is read right, (B,)."""
    right: torch.Tensor = (detector(pictures)[:, 1:] > 0) == (messages > 0)
    return right.to(torch.float32).mean(dim=1)
