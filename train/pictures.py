"""Pictures to train a watermark on: any folder of them, in colour, as one tensor of squares."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from chunkport.errors import UsageError
from train.held_out import held_out_indices
from train.picture_files import FORMATS, open_picture, picture_names

_REMEDY = f"name a folder that holds pictures ({FORMATS})"


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
    """All pictures (`FORMATS`) of the folder and its subfolders, in the order of their paths.

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


def split_held_out(loaded: PictureSet, share: float) -> tuple[PictureSet, PictureSet]:
    """The pictures to train on and those held out, as `held_out_indices` chooses them.

    Raises:
        UsageError: as there.
    """
    training, held_out = held_out_indices(loaded.names, share)
    return _chosen(loaded, training), _chosen(loaded, held_out)


def _chosen(loaded: PictureSet, indices: list[int]) -> PictureSet:
    return PictureSet(loaded.pictures[indices], tuple(loaded.names[index] for index in indices))
