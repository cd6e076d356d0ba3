"""Arrays as pictures inside the page."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

    from verify.metrics import Values

_THUMBNAIL_QUALITY = 80


@dataclass(frozen=True)
class Picture:
    """A picture as a data URI, at its true size in pixels."""

    uri: str
    width: int
    height: int


def drawn(values: "Values", lowest: float, span: float) -> Picture:
    """A picture (H, W, 1 or 3) as it would be shown; what is not finite comes out black."""
    return png(_pixels(values, lowest, span))


def thumbnail(values: "Values", side: int) -> Picture:
    """A picture (H, W, 1 or 3) in [0, 1] within `side` pixels; as JPEG, for it is seen only."""
    from PIL.Image import fromarray

    return _shrunk(fromarray(_pixels(values, 0, 1)), side)


def thumbnail_of(path: Path, side: int) -> Picture:
    """The picture in a file, likewise.

    Raises:
        OSError: it cannot be read.
    """
    from PIL import Image

    with Image.open(path) as image:
        return _shrunk(image.convert("L" if image.mode == "L" else "RGB"), side)


def png(pixels: NDArray[np.uint8]) -> Picture:
    """Pixels (H, W) or (H, W, 3), each as it is."""
    from PIL.Image import fromarray

    return _embedded(fromarray(pixels), "PNG", optimize=True)


def _pixels(values: "Values", lowest: float, span: float) -> NDArray[np.uint8]:
    scaled = np.nan_to_num((values - lowest) * (255 / span), nan=0, posinf=255, neginf=0)
    pixels: NDArray[np.uint8] = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return pixels[..., 0] if pixels.shape[-1] == 1 else pixels


def _shrunk(image: "Image", side: int) -> Picture:
    image.thumbnail((side, side))
    return _embedded(image, "JPEG", quality=_THUMBNAIL_QUALITY)


def _embedded(image: "Image", kind: str, **options: int | bool) -> Picture:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    text = base64.b64encode(buffer.getvalue()).decode("ascii")
    return Picture(f"data:image/{kind.lower()};base64,{text}", image.width, image.height)
