"""The messages that the network and every file read in pictures, those with flipped bits first."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from verify.metrics import stacked
from verify.picture_outputs import channel_axis
from verify.report.candidate import Candidate
from verify.report.pictures import Picture, thumbnail
from verify.report.strip_drawing import StripDrawing, draw_strip
from wrappers.spec import Message

if TYPE_CHECKING:
    from verify.reference import Reference

DEFAULT_ROWS = 6
_SIDE = 112  # pixels of a thumbnail
_NAMED = 12  # flipped bits that are listed by number


@dataclass(frozen=True)
class Strip:
    """What one reader read in one picture.

    Attributes:
        reader: "PyTorch", or the file's precision.
        hex: the message.
        confidence: the detection logit.
        flipped: how many bits are other than the network's.
        said: the finding in words.
        drawing: its cells; None of a file that reads every bit as the network does.
    """

    reader: str
    hex: str
    confidence: float
    flipped: int
    said: str
    drawing: StripDrawing | None


@dataclass(frozen=True)
class BitRow:
    """One picture: its name, how it looks, and what was read, by the network first."""

    name: str
    picture: Picture | None
    strips: tuple[Strip, ...]


@dataclass(frozen=True)
class Tally:
    """Of one file over all pictures: the bits that are other than the network's."""

    label: str
    precision: str
    flipped: int
    bits: int
    pictures_with_flips: int
    pictures: int


@dataclass(frozen=True)
class BitSheet:
    """What was read in some pictures; without rows it says why in `reason`."""

    title: str
    what: str
    tallies: tuple[Tally, ...] = ()
    rows: tuple[BitRow, ...] = ()
    reason: str | None = None


def make_bit_sheet(
    reference: "Reference",
    candidates: Sequence[Candidate],
    pictures: tuple[str, str],
    names: Sequence[str],
    rows: int = DEFAULT_ROWS,
) -> BitSheet:
    """Lay out the pictures in which most bits flipped, then those with a bit nearest to it.

    Args:
        reference: the network's answers.
        candidates: the files that ran, with an output for every sample.
        pictures: the sheet's title, and what they are in a few words.
        names: of each sample.
        rows: how many to show.
    """
    sheet = BitSheet(*pictures)
    if not candidates:
        return replace(sheet, reason="no file ran")
    outputs = [output.name for output in reference.contract.outputs]
    expected = stacked(reference.outputs, *outputs).astype(np.float64)  # (samples, 1 + bits)
    actual = np.stack([stacked(it.outputs, *outputs) for it in candidates]).astype(np.float64)
    flips = (actual[..., 1:] > 0) != (expected[:, 1:] > 0)  # (files, samples, bits)
    rms = _rms(expected)
    worst_first = np.lexsort((_nearest(expected, actual, rms), -flips.sum(axis=(0, 2))))
    tallies = tuple(_tally(candidate, of) for candidate, of in zip(candidates, flips, strict=True))
    laid_out = tuple(
        BitRow(
            names[sample],
            _picture(reference, sample),
            (
                _network_strip(expected[sample], rms[sample]),
                *(
                    _strip(candidate.precision, logits, expected[sample], rms[sample])
                    for candidate, logits in zip(candidates, actual[:, sample], strict=True)
                ),
            ),
        )
        for sample in worst_first[:rows].tolist()
    )
    return replace(sheet, tallies=tallies, rows=laid_out)


def _rms(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Root mean square of each sample's bits, (samples,); never 0."""
    rms: NDArray[np.float64] = np.sqrt(np.square(logits[:, 1:]).mean(axis=1))
    return np.maximum(rms, np.finfo(np.float64).tiny)


def _nearest(
    expected: NDArray[np.float64], actual: NDArray[np.float64], rms: NDArray[np.float64]
) -> NDArray[np.float64]:
    """By sample, how far its bit that is nearest to flipping in any file is from that."""
    signs = np.where(expected[:, 1:] > 0, 1, -1)
    nearest: NDArray[np.float64] = (signs * actual[..., 1:]).min(axis=(0, 2)) / rms
    return nearest


def _tally(candidate: Candidate, flips: NDArray[np.bool_]) -> Tally:
    return Tally(
        label=candidate.label,
        precision=candidate.precision,
        flipped=int(flips.sum()),
        bits=flips.size,
        pictures_with_flips=int(flips.any(axis=1).sum()),
        pictures=len(flips),
    )


def _network_strip(logits: NDArray[np.float64], rms: float) -> Strip:
    bits = (logits[1:] > 0).tolist()
    return replace(
        _strip("PyTorch", logits, logits, rms), drawing=draw_strip(logits[1:], rms, bits)
    )


def _strip(
    reader: str, logits: NDArray[np.float64], expected: NDArray[np.float64], rms: float
) -> Strip:
    bits, reference = logits[1:] > 0, expected[1:] > 0
    flipped = np.flatnonzero(bits != reference).tolist()
    return Strip(
        reader=reader,
        hex=Message(0.0, tuple(bits.astype(int).tolist())).hex,
        confidence=float(logits[0]),
        flipped=len(flipped),
        said=_said_of_flips(flipped, len(bits)) if flipped else _said_of_margin(logits[1:], rms),
        drawing=draw_strip(logits[1:], rms, reference.tolist()) if flipped else None,
    )


def _said_of_flips(flipped: Sequence[int], bits: int) -> str:
    listed = ", ".join(map(str, flipped[:_NAMED]))
    more = f" and {len(flipped) - _NAMED} more" if len(flipped) > _NAMED else ""
    return f"{len(flipped)} of {bits} flipped: bit{'s' * (len(flipped) > 1)} {listed}{more}"


def _said_of_margin(logits: NDArray[np.float64], rms: float) -> str:
    nearest = int(np.abs(logits).argmin())
    return f"nearest to flipping: bit {nearest}, {abs(logits[nearest]) / rms:.2g} of the RMS away"


def _picture(reference: "Reference", sample: int) -> Picture | None:
    """The first input that is a picture."""
    for tensor in reference.contract.inputs:
        axis = channel_axis(tensor)
        if axis is not None:
            values = np.moveaxis(reference.inputs[sample][tensor.name], axis, -1)[0]
            return thumbnail(values, _SIDE)
    return None
