"""Marking pictures with a message, and how visible the mark is."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch

from chunkport.errors import BadInputError, UsageError
from networks.embedder import Embedder
from networks.embedder_card import rms_of
from verify.attacks import Pixels
from verify.metrics import psnr_db, ssim
from wrappers.detector_pictures import as_image, open_picture
from wrappers.spec import Message

Bits: TypeAlias = tuple[int, ...]
SMALLEST_SIDE = 16  # pixels; an eighth of what the network looks at, and nothing after an attack
_MESSAGE_STREAM, _HEX_BITS = 1, 4


@dataclass(frozen=True)
class Visibility:
    """How far a marked picture is from its original, both in 8 bits."""

    psnr_db: float
    ssim: float


@dataclass(frozen=True)
class MarkedPicture:
    """A picture (H, W, 3) that says `message`; `original` where it is at hand."""

    pixels: Pixels
    message: Bits
    original: Pixels | None = None


def mark_pixels(
    embedder: Embedder, pixels: Pixels, message: Bits, psnr_db: float | None = None
) -> Pixels:
    """The picture (H, W, 3) with the message in it, rounded to 8 bits as files are.

    `psnr_db` is how faint the mark is; None for as faint as the embedder was trained.
    """
    bits = torch.tensor([message], dtype=torch.float32)
    rms = None if psnr_db is None else rms_of(psnr_db)
    with torch.inference_mode():
        marked = embedder(as_image(pixels), bits, rms)[0].permute(1, 2, 0)
    return np.asarray((marked * 255).round().to(torch.uint8).numpy())


def marked_pictures(
    embedder: Embedder, pictures: Iterable[Pixels], seed: int
) -> Iterator[MarkedPicture]:
    """Each picture with a message of its own, drawn from the seed and the picture's number."""
    for number, pixels in enumerate(pictures):
        message = random_message(embedder.card.nbits, seed, number)
        yield MarkedPicture(mark_pixels(embedder, pixels, message), message, pixels)


def visibility(original: Pixels, marked: Pixels) -> Visibility:
    """PSNR and SSIM of the mark, over the range of 8 bits."""
    pair = original[None].astype(np.float32), marked[None].astype(np.float32)
    return Visibility(psnr_db(*pair, 255), ssim(*pair, 255))


def read_pixels(path: Path) -> Pixels:
    """A picture's RGB bytes, turned as its EXIF says; transparency is left out.

    Raises:
        BadInputError: no picture, of grey deeper than 8 bits, or too small for a mark.
    """
    pixels = np.asarray(open_picture(path, upright=True).convert("RGB"))
    check_size(pixels, path)
    return pixels


def check_size(pixels: Pixels, name: object) -> None:
    """Refuse a picture that is too small to carry a mark.

    Raises:
        BadInputError: a side is shorter than `SMALLEST_SIDE`.
    """
    height, width = pixels.shape[:2]
    if min(height, width) < SMALLEST_SIDE:
        raise BadInputError(
            f"{name}: is {width} x {height} pixels, too small for a mark; give pictures of at "
            f"least {SMALLEST_SIDE} pixels a side"
        )


def random_message(nbits: int, seed: int, number: int = 0) -> Bits:
    """A message by the seed and the picture's number, each bit a fair coin."""
    rng = np.random.default_rng((seed, number, _MESSAGE_STREAM))
    return tuple(rng.integers(0, 2, nbits).tolist())


def parse_message(text: str, nbits: int) -> Bits:
    """The bits of a message written in hexadecimal, as `Message.hex` writes it, or as 0s and 1s.

    Raises:
        UsageError: it is neither, or not of so many bits.
    """
    digits = -(-nbits // _HEX_BITS)
    if len(text) == nbits and re.fullmatch("[01]+", text):
        return tuple(map(int, text))
    plain = text.lower().removeprefix("0x")
    if len(plain) == digits and re.fullmatch("[0-9a-f]+", plain):
        written = f"{int(plain, 16):0{digits * _HEX_BITS}b}"
        if "1" not in written[nbits:]:
            return tuple(map(int, written[:nbits]))
    raise UsageError(
        f"--message {text}: this model's messages have {nbits} bits; write {digits} hexadecimal "
        f"digits{_zero_ended(nbits)} or {nbits} digits of 0 and 1"
    )


def write_message(bits: Bits) -> str:
    """The bits in hexadecimal, as readers show them."""
    return Message(0.0, bits).hex


def _zero_ended(nbits: int) -> str:
    spare = -nbits % _HEX_BITS
    return f" (the last {spare} of their bits 0)" if spare else ""
