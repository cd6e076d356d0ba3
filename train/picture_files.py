"""Picture files: opening those that people have, writing those that are drawn."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from chunkport.errors import BadInputError, UsageError
from chunkport.files import make_folder, replacing

Drawing = Callable[[int], NDArray[np.uint8]]


def _eight_bit(image: Image.Image) -> Image.Image:
    """A picture of 16 bits a pixel, scaled; converting it would clip."""
    deep = np.asarray(image, dtype=np.float64)
    transparent = image.info.get("transparency")
    if transparent is not None:
        deep = np.where(deep == transparent, 65535, deep)
    return Image.fromarray((deep / 257).round().clip(0, 255).astype(np.uint8))


def open_picture(path: Path, *, upright: bool = False) -> Image.Image:
    """One picture, wholly read and opaque, 8 bits a channel; transparent parts become white.

    `upright` turns it as its EXIF orientation says. Its mode is the file's, or RGBA.

    Raises:
        BadInputError: the file is not an image, is damaged, or is too large to be one.
    """
    try:
        with Image.open(path) as image:
            image.load()
            turned = ImageOps.exif_transpose(image) if upright else image.copy()
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        reason = " ".join(str(error).split())
        raise BadInputError(
            f"{path}: cannot be read as an image ({reason}); remove or replace it"
        ) from error
    if turned.mode.startswith("I"):
        return _eight_bit(turned)
    if turned.has_transparency_data:
        opaque = turned.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", opaque.size, "white"), opaque)
    return turned


def seed_of(seed: int, index: int) -> int:
    """The seed of the picture at `index` among those drawn from `seed`."""
    return int(np.random.SeedSequence((seed, index)).generate_state(1)[0])


def write_pictures(
    drawings: Mapping[Path, tuple[Drawing, int]],
    progress: Callable[[int, int], None] | None = None,
    *,
    force: bool = False,
) -> int:
    """Call each drawing with its seed and write the picture as PNG; returns how many there are.

    `progress` is called with the pictures written so far and in all.

    Raises:
        UsageError: a picture in the way while `force` is not set, or a folder that is not
            writable.
    """
    taken = [path for path in drawings if path.exists()]
    if taken and not force:
        raise UsageError(f"{taken[0]}: exists already; use --force to replace the pictures")
    for folder in dict.fromkeys(path.parent for path in drawings):
        make_folder(folder)
    for done, (path, (draw, seed)) in enumerate(drawings.items(), start=1):
        with replacing(path) as temporary:
            Image.fromarray(draw(seed)).save(temporary, format="PNG")
        if progress is not None:
            progress(done, len(drawings))
    return len(drawings)
