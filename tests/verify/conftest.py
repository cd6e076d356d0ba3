"""A mark by a known rule, and a reader of it: exact parts to measure with."""

from dataclasses import dataclass

import numpy as np
import pytest

from verify.attacks import Pixels
from verify.marked_pictures import Bits, MarkedPicture, random_message
from verify.message_readers import Reader
from wrappers.spec import Message

_NBITS = 32
_PIXELS = 8  # a side of what one bit is written in


def _read(pixels: Pixels) -> Message:
    """Bright cells of the 4 x 8 that the picture is cut into are 1; more than gray, and marked."""
    rows = np.array_split(pixels.astype(float), 4, axis=0)
    cells = [cell.mean() for row in rows for cell in np.array_split(row, 8, axis=1)]
    return Message(float(np.std(cells)) - 50, tuple(int(value > 128) for value in cells))


@dataclass(frozen=True)
class Cells:
    """Messages of 32 bits written as bright and dark cells, 4 x 8 of them."""

    reader: Reader

    def write(self, message: Bits) -> Pixels:
        cells = np.where(np.array(message).reshape(4, 8), 200, 60).astype(np.uint8)
        plane = cells.repeat(_PIXELS, axis=0).repeat(_PIXELS, axis=1)
        return plane[..., None].repeat(3, axis=2)

    def pictures(self, count: int) -> list[MarkedPicture]:
        messages = [random_message(_NBITS, 7, number) for number in range(count)]
        return [MarkedPicture(self.write(message), message) for message in messages]


@pytest.fixture(scope="session")
def cells() -> Cells:
    return Cells(Reader("cells", _NBITS, _read))
