"""Pictures for the watermark detectors: a user's own, and made ones, by seed the same."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps

from chunkport.errors import BadInputError
from wrappers.detector_graph import resize_as_public
from wrappers.spec import Contract, TensorSpec

if TYPE_CHECKING:
    from wrappers.spec import Arrays

_WAVES = 12
_HIGHEST_FREQUENCY = 20.0  # waves across the picture
_MOST_NOISE = 0.3
_DEEP = ("I", "F")  # Pillow's modes of 16 bits and more begin so


def read_pictures(contract: Contract, paths: Sequence[Path]) -> "list[Arrays]":
    """The pictures in [0, 1], resized as the public detector does, in the contract's layout.

    As there, transparency is left out and pixels are taken as stored, however a camera was held.

    Raises:
        BadInputError: a file is no picture that can be read, or of grey deeper than 8 bits.
    """
    return [fit_pixels(contract, np.asarray(open_picture(path).convert("RGB"))) for path in paths]


def fit_pixels(contract: Contract, pixels: NDArray[np.uint8]) -> "Arrays":
    """One RGB picture (H, W, 3) of any size as the contract's input, resized likewise."""
    image = contract.inputs[0]
    return {image.name: _laid_out(resize_as_public(as_image(pixels), _size(image)), image)}


def as_image(pixels: NDArray[np.uint8]) -> torch.Tensor:
    """(H, W, 3) bytes -> (1, 3, H, W) in [0, 1]."""
    floats = pixels.astype(np.float32) / np.float32(255)
    return torch.from_numpy(floats).permute(2, 0, 1).unsqueeze(0)


def open_picture(path: Path, *, upright: bool = False) -> Image.Image:
    """One picture, wholly read, in its own mode; turned as its EXIF says if it is to be `upright`.

    Of red, green and blue of 16 bits Pillow keeps the upper 8; deeper grey it would clip.

    Raises:
        BadInputError: the file is no picture that can be read, or of grey deeper than 8 bits.
    """
    try:
        with Image.open(path) as picture:
            picture.load()
            turned = ImageOps.exif_transpose(picture) if upright else picture.copy()
    # Pillow raises a SyntaxError for a file that breaks off its format inside.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise BadInputError(
            f"{path}: is no picture that can be read ({error}); replace it or leave it out"
        ) from error
    if turned.mode.startswith(_DEEP):
        raise BadInputError(
            f"{path}: has more than 8 bits per colour (Pillow's mode {turned.mode}), which would "
            "be cut off; save it with 8"
        )
    return turned


def frames_in(path: Path) -> int:
    """How many pictures a readable file shows: an animation's or a document's.

    A camera's MPO is one: what else it holds is the same scene, for other screens.
    """
    with Image.open(path) as picture:
        return 1 if picture.format == "MPO" else getattr(picture, "n_frames", 1)


def make_pictures(contract: Contract, count: int, seed: int) -> "list[Arrays]":
    """`count` pictures of random waves under noise, from smooth to rough; by seed the same."""
    rng = np.random.default_rng(seed)
    image = contract.inputs[0]
    height, width = _size(image)
    return [{image.name: _laid_out(_waves(rng, height, width), image)} for _number in range(count)]


def draw_pixels(count: int, side: int, seed: int) -> list[NDArray[np.uint8]]:
    """The same kind of pictures in 8 bits, (side, side, 3) each."""
    rng = np.random.default_rng(seed)
    pictures = (_waves(rng, side, side)[0].permute(1, 2, 0).numpy() for _number in range(count))
    return [(picture * 255).round().astype(np.uint8) for picture in pictures]


def _waves(rng: np.random.Generator, height: int, width: int) -> torch.Tensor:
    """(1, 3, H, W): plane waves for each colour, stretched to [0, 1], then noise over them."""
    rows, columns = np.mgrid[:height, :width] / max(height, width)
    highest = rng.uniform(1, _HIGHEST_FREQUENCY)
    picture = np.zeros((3, height, width))
    for colour in range(3):
        for _ in range(_WAVES):
            across, down = rng.uniform(-highest, highest, 2)
            phase, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 1)
            picture[colour] += strength * np.sin(
                2 * np.pi * (across * columns + down * rows) + phase
            )
    picture = (picture - picture.min()) / max(np.ptp(picture), np.finfo(float).tiny)
    noise = rng.uniform(0, _MOST_NOISE)
    picture = (1 - noise) * picture + noise * rng.random(picture.shape)
    return torch.from_numpy(picture.astype(np.float32)).unsqueeze(0)


def _laid_out(picture: torch.Tensor, image: TensorSpec) -> NDArray[np.float32]:
    if image.layout == "nhwc":
        picture = picture.permute(0, 2, 3, 1)
    return np.ascontiguousarray(picture.numpy())


def _size(image: TensorSpec) -> tuple[int, int]:
    """(height, width) of the picture that the contract asks for."""
    axes = (1, 2) if image.layout == "nhwc" else (2, 3)
    return image.shape[axes[0]], image.shape[axes[1]]
