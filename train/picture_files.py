"""Picture files: opening those that people have, writing those that are drawn."""

import os
import struct
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from chunkport.errors import BadInputError, UsageError
from chunkport.files import make_folder, replacing

Drawing = Callable[[int], NDArray[np.uint8]]
Drawings = Mapping[Path, tuple[Drawing, int]]
"""What is drawn into each file, and the seed that it is drawn from."""
FORMATS = "PNG, JPEG, WebP, BMP or TIFF"
"""Of the files that are looked for."""
_ENDINGS = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}
# Of large pictures and odd EXIF, without the file's name; what cannot be read is refused by it.
warnings.filterwarnings("ignore", module=r"PIL\.")


def _eight_bit(image: Image.Image) -> Image.Image:
    """A picture of 16 bits a pixel, scaled; converting it would clip."""
    deep = np.asarray(image, dtype=np.float64)
    transparent = image.info.get("transparency")
    if transparent is not None:
        deep = np.where(deep == transparent, 65535, deep)
    return Image.fromarray((deep / 257).round().clip(0, 255).astype(np.uint8))


def picture_names(folder: Path) -> list[str]:
    """The paths within the folder of all pictures (`FORMATS`) in it and its subfolders, sorted.

    Hidden files and folders are passed over, links are followed. No folder has no pictures.

    Raises:
        UsageError: a folder cannot be listed.
    """

    def refuse(error: OSError) -> None:
        if isinstance(error, FileNotFoundError):
            return
        raise UsageError(f"{error.filename}: cannot be listed ({error.strerror}); make it readable")

    found: list[str] = []
    seen: set[Path] = set()
    for place, folders, files in os.walk(folder, onerror=refuse, followlinks=True):
        where = Path(place)
        if where.resolve() in seen:  # a link to a folder above it, or to another one
            folders.clear()
            continue
        seen.add(where.resolve())
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += (
            (where / name).relative_to(folder).as_posix()
            for name in files
            if Path(name).suffix.lower() in _ENDINGS and not name.startswith(".")
        )
    return sorted(found)


def open_picture(
    path: Path, *, upright: bool = False, shorter_side: int | None = None
) -> Image.Image:
    """One picture, wholly read and opaque, 8 bits a channel; transparent parts become white.

    `upright` turns it as its EXIF orientation says. Its mode is the file's, or RGBA. With
    `shorter_side`, a JPEG of twice that size or more is read at a half to an eighth of its own,
    several times as fast, and stays at least so large.

    Raises:
        BadInputError: the file is not an image, is damaged, or is too large to be one.
    """
    try:
        with Image.open(path) as image:
            if shorter_side is not None:
                image.draft(None, (shorter_side, shorter_side))
            image.load()
            turned = ImageOps.exif_transpose(image) if upright else image.copy()
    # Pillow raises a SyntaxError for a file that breaks off its format inside.
    except (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError) as error:
        reason = " ".join(str(error).split())
        raise BadInputError(
            f"{path}: cannot be read as an image ({reason}); remove or replace it"
        ) from error
    if turned.mode == "F":
        raise BadInputError(
            f"{path}: its pixels are floats, of which no one knows what is white; save it with 8 "
            "or 16 bits"
        )
    if turned.mode.startswith("I"):
        return _eight_bit(turned)
    if turned.has_transparency_data:
        opaque = turned.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", opaque.size, "white"), opaque)
    return turned


def seed_of(seed: int, index: int) -> int:
    """The seed of the picture at `index` among those drawn from `seed`."""
    return int(np.random.SeedSequence((seed, index)).generate_state(1)[0])


def undrawn(folder: Path, drawings: Drawings) -> dict[Path, tuple[Drawing, int]] | None:
    """Those of the drawings that the folder lacks; None where it holds other pictures than these.

    One that is there is drawn again to see whether it is the same: another seed or size gives
    other pictures throughout.

    Raises:
        BadInputError: that picture is damaged.
    """
    there = dict.fromkeys(folder / name for name in picture_names(folder))
    if there.keys() - drawings.keys():
        return None
    for first in list(there)[:1]:
        draw, seed = drawings[first]
        if not np.array_equal(np.asarray(open_picture(first)), draw(seed)):
            return None
    return {path: drawing for path, drawing in drawings.items() if path not in there}


def write_pictures(
    drawings: Drawings,
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
