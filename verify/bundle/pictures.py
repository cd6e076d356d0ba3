"""Golden pictures: of the model's size and of others, in colour, in grey and with transparency."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from verify.attacks import Pixels
from wrappers.detector_pictures import open_picture
from wrappers.spec import Contract


@dataclass(frozen=True)
class GoldenPicture:
    """A picture as it is kept in the bundle.

    Attributes:
        name: of its file, without ending.
        title: what a person calls it.
        image: in the mode that the PNG gets.
        hidden: the message hidden in it, where that is known.
    """

    name: str
    title: str
    image: Image.Image
    hidden: tuple[int, ...] | None = None


def made_pictures(
    contract: Contract,
    draw: Callable[[int, int], Pixels],
    mark: Callable[[Pixels], Pixels] | None = None,
    hidden: tuple[int, ...] | None = None,
) -> list[GoldenPicture]:
    """Four pictures, each difficult in another way.

    Args:
        contract: of the detector.
        draw: number and pixels a side to a picture (S, S, 3).
        mark: hides `hidden` in a picture; None where there is no embedder.
        hidden: that message.
    """
    side = max(contract.inputs[0].shape)
    wide = draw(1, 2 * side + 61)[: side + 45]
    half = draw(2, side // 2 + 9)[:, : side // 2 - 3]
    odd = draw(3, side + side // 3)

    def marked(pixels: Pixels) -> Pixels:
        return pixels if mark is None else mark(pixels)

    grey = Image.fromarray(marked(odd)).convert("L")
    return [
        GoldenPicture("own_size", "of the model's size", _image(marked(draw(0, side))), hidden),
        GoldenPicture("larger", "larger, and not square", _image(marked(wide)), hidden),
        GoldenPicture("transparent", "small, with transparency", _faded(marked(half)), hidden),
        GoldenPicture("grey", "in grey", grey, hidden),
    ]


def own_pictures(paths: Sequence[Path]) -> list[GoldenPicture]:
    """A user's pictures, kept as PNG: decoders of JPEG differ by a step of a byte.

    Raises:
        BadInputError: one is no picture that can be read.
    """
    found = []
    for number, path in enumerate(paths, 1):
        image = open_picture(path)
        kept = image if image.mode in {"L", "LA", "RGB", "RGBA"} else image.convert("RGB")
        kept.info.clear()  # profiles and notes are not part of the pixels
        found.append(GoldenPicture(f"picture_{number}", path.name, kept))
    return found


def _image(pixels: Pixels) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(pixels))


def _faded(pixels: Pixels) -> Image.Image:
    """The picture, ever more transparent to the right, until nothing is seen of it."""
    height, width = pixels.shape[:2]
    alpha = np.linspace(255, 0, width).round().astype(np.uint8)
    return Image.fromarray(np.dstack([pixels, np.broadcast_to(alpha, (height, width))]))
