"""Pictures to train a watermark on: any folder of them, in colour, as one tensor of squares."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from chunkport.errors import UsageError
from train.picture_files import open_picture, picture_names

_REMEDY = "name a folder that holds PNG, JPEG or WebP pictures"


@dataclass(frozen=True)
class PictureSet:
    """Colour pictures (N, 3, size, size) uint8, each with its path within the folder."""

    pictures: torch.Tensor
    names: tuple[str, ...]


def read_picture(path: Path, size: int) -> torch.Tensor:
    """One picture of any size as (3, size, size) uint8: the largest square at its centre, scaled.

    It is turned as its EXIF orientation says, and transparent parts become white.

    Raises:
        BadInputError: the file is not an image, is damaged, or is too large to be one.
    """
    colour = open_picture(path, upright=True).convert("RGB")
    square = ImageOps.fit(colour, (size, size), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(square)).permute(2, 0, 1)


def load_pictures(
    folder: Path, size: int, progress: Callable[[int, int], None] | None = None
) -> PictureSet:
    """All PNG, JPEG and WebP files of the folder and its subfolders, in the order of their paths.

    Hidden files and folders are passed over. `progress` is called with the pictures read so far
    and in all.

    Raises:
        UsageError: there is no such folder, or no picture in it.
        BadInputError: a file cannot be read; the message names it.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder; {_REMEDY}")
    names = picture_names(folder)
    if not names:
        raise UsageError(f"{folder}: no pictures in it or its subfolders; {_REMEDY}")
    pictures = torch.empty((len(names), 3, size, size), dtype=torch.uint8)
    for index, name in enumerate(names):
        pictures[index] = read_picture(folder / name, size)
        if progress is not None:
            progress(index + 1, len(names))
    return PictureSet(pictures, tuple(names))


def _lot(name: str) -> float:
    """A number from 0 to 1 that a picture's name alone decides, as if drawn by chance."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def split_held_out(loaded: PictureSet, share: float) -> tuple[PictureSet, PictureSet]:
    """The pictures to train on and those held out, about `share` of all; at least one of each.

    A picture's name alone decides its side, so it stays there when others are added. Only where a
    side would be empty, as among a handful, the picture nearest to it crosses over.

    Raises:
        UsageError: fewer than two pictures, or a share that is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise UsageError(f"a share of {share} cannot be held out; choose one between 0 and 1")
    if len(loaded.names) < 2:  # noqa: PLR2004 - one for each side
        raise UsageError("one picture cannot be both trained on and held out; add more pictures")
    lots = [_lot(name) for name in loaded.names]
    by_lot = sorted(range(len(lots)), key=lots.__getitem__)
    count = min(max(sum(lot < share for lot in lots), 1), len(lots) - 1)
    return _chosen(loaded, sorted(by_lot[count:])), _chosen(loaded, sorted(by_lot[:count]))


def _chosen(loaded: PictureSet, indices: list[int]) -> PictureSet:
    return PictureSet(loaded.pictures[indices], tuple(loaded.names[index] for index in indices))
