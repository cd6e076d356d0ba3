"""A message as a strip of cells, one per bit: tall for 1, low for 0, pale where it was uncertain.

Cells are gathered into one path per look, so that a message of 1024 bits stays small on the page.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UNCERTAIN = 0.1  # of the RMS of a message's logits: nearer to 0, the bit is not clear
_STEPS = (UNCERTAIN, 0.4, 0.8)  # of the RMS, from pale to full
_CELL, _LOW = 10, 3  # units a side; the height of a 0
_PITCH, _ROW_PITCH = 12, 18
_GROUP, _GROUP_GAP = 4, 4  # the bits of a hexadecimal digit stand together
_NARROW, _WIDE = 32, 64  # bits in a row: of short messages and of long ones


@dataclass(frozen=True)
class Look:
    """All cells that look alike: the names of their classes, and the outlines as one path."""

    classes: str
    path: str


@dataclass(frozen=True)
class Remark:
    """What is to be said of one bit, at its cell."""

    x: int
    y: int
    text: str


@dataclass(frozen=True)
class StripDrawing:
    """A strip in its own units, `cell` of which are one cell's side."""

    width: int
    height: int
    looks: tuple[Look, ...]
    flipped: tuple[Remark, ...]
    uncertain: tuple[Remark, ...]
    cell: int = _CELL


def draw_strip(logits: NDArray[np.float64], rms: float, reference: Sequence[bool]) -> StripDrawing:
    """Draw the bits of one message.

    Args:
        logits: one per bit, which is 1 above 0.
        rms: of the network's logits of that message, which sureness is measured in.
        reference: the network's bits; where one is another, the cell is marked.
    """
    per_row = _NARROW if len(logits) <= _WIDE else _WIDE
    outlines: dict[str, list[str]] = {}
    flipped, uncertain = [], []
    for bit, (logit, expected) in enumerate(zip(logits.tolist(), reference, strict=True)):
        row, column = divmod(bit, per_row)
        x = column * _PITCH + column // _GROUP * _GROUP_GAP
        y = row * _ROW_PITCH
        one = logit > 0
        sureness = sum(abs(logit) / rms >= step for step in _STEPS)
        classes = f"sure-{sureness}"
        if one != expected:
            classes = "flipped"
            text = f"bit {bit}: {int(expected)} in PyTorch, {int(one)} here (logit {logit:.3g})"
            flipped.append(Remark(x, y, text))
        elif sureness == 0:
            uncertain.append(Remark(x, y, f"bit {bit}: {int(one)}, uncertain (logit {logit:.3g})"))
        outlines.setdefault(classes, []).append(_outline(x, y, one=one))
        if not one:
            outlines.setdefault("empty", []).append(_outline(x, y, one=True))
    columns = min(len(logits), per_row)
    return StripDrawing(
        width=columns * _PITCH + (columns - 1) // _GROUP * _GROUP_GAP - (_PITCH - _CELL),
        height=-(-len(logits) // per_row) * _ROW_PITCH - (_ROW_PITCH - _CELL),
        looks=tuple(Look(classes, "".join(outlines[classes])) for classes in sorted(outlines)),
        flipped=tuple(flipped),
        uncertain=tuple(uncertain),
    )


def _outline(x: int, y: int, *, one: bool) -> str:
    height = _CELL if one else _LOW
    return f"M{x} {y + _CELL - height}h{_CELL}v{height}h-{_CELL}z"
