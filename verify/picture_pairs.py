"""Pairs of pictures, one above the other, as one PNG to look at."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from chunkport.files import make_folder, replacing

_GAP = 8  # pixels between pictures
_CAPTION = 34  # two lines below a pair
_FONT_SIZE = 12
_INK = "#222222"
_LONGEST = 20  # letters of a name below a picture of 128 pixels


@dataclass(frozen=True)
class ShownPair:
    """Two grey pictures (H, W) from 0 to 255 and what stands below them, a line each."""

    upper: NDArray[np.uint8]
    lower: NDArray[np.uint8]
    lines: tuple[str, str]


def write_pairs(pairs: Sequence[ShownPair], target: Path) -> None:
    """Write the pairs from left to right; the folder is made if it is missing.

    Raises:
        ValueError: there are none.
        UsageError: the folder is not writable.
    """
    if not pairs:
        raise ValueError(f"{target}: there are no pairs to show")
    height, width = pairs[0].upper.shape
    size = (len(pairs) * (width + _GAP) + _GAP, 2 * (height + _GAP) + _CAPTION + _GAP)
    page = Image.new("L", size, "white")
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(_FONT_SIZE)
    for number, pair in enumerate(pairs):
        left = _GAP + number * (width + _GAP)
        page.paste(Image.fromarray(pair.upper), (left, _GAP))
        page.paste(Image.fromarray(pair.lower), (left, height + 2 * _GAP))
        text = "\n".join(line[-_LONGEST:] for line in pair.lines)
        draw.text((left, 2 * (height + _GAP) + _GAP // 2), text, _INK, font)
    make_folder(target.parent)
    with replacing(target) as temporary:
        page.save(temporary, format="PNG")
