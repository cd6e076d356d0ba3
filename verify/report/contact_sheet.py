"""The same samples through the network and every file, side by side, the worst first.

Each picture has a difference map beside it: the absolute difference, amplified until the largest
one on the sheet just fits, from black (equal) to pale yellow.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from verify.metrics import Values, psnr_db
from verify.picture_outputs import as_pictures, is_picture
from verify.report.candidate import Candidate
from verify.report.pictures import Picture, drawn, png

if TYPE_CHECKING:
    from verify.reference import Reference

DEFAULT_ROWS = 6
_POWERS_OF_TEN = 9
# Colours of rising lightness for equal steps of difference, so that it also reads in grey.
_COLOURS = np.array(
    [[8, 8, 18], [68, 24, 92], [158, 45, 94], [229, 98, 62], [252, 178, 86], [255, 247, 200]],
    dtype=np.float64,
)


@dataclass(frozen=True)
class Cell:
    """What one file made of one sample.

    Attributes:
        picture: its output.
        difference: the amplified difference from the network's picture.
        psnr_db: against the network's picture; infinite where equal, NaN where not finite.
        worst: whether it is this file's worst sample of all that were judged.
    """

    picture: Picture
    difference: Picture
    psnr_db: float
    worst: bool


@dataclass(frozen=True)
class SheetColumn:
    """A file on the sheet, and by how much its differences are amplified."""

    label: str
    precision: str
    amplification: int


@dataclass(frozen=True)
class SheetRow:
    """One sample: the network's picture and each file's."""

    sample: int
    reference: Picture
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class ContactSheet:
    """The sheet of one model; without rows it says why in `reason`."""

    model: str
    samples: int
    seed: int
    span: float
    columns: tuple[SheetColumn, ...] = ()
    rows: tuple[SheetRow, ...] = ()
    reason: str | None = None


def make_contact_sheet(
    reference: "Reference", candidates: Sequence[Candidate], rows: int = DEFAULT_ROWS
) -> ContactSheet:
    """Lay out the samples that came out worst, each file's own worst always among them.

    Args:
        reference: the network's answers.
        candidates: the files that ran, with an output for every sample.
        rows: how many samples to show; more where the files' worst ones need it.
    """
    lowest, highest = reference.spec.output_span
    span = highest - lowest
    sheet = ContactSheet(reference.spec.name, len(reference.inputs), reference.seed, span)
    output = reference.contract.outputs[0]
    if not is_picture(output):
        return replace(sheet, reason=f"the output '{output.name}' is no picture")
    if not candidates:
        return replace(sheet, reason="no file ran")
    expected = as_pictures(reference.outputs, output)
    actual = [as_pictures(candidate.outputs, output) for candidate in candidates]
    psnr = np.array([_psnr_of_each(expected, pictures, span) for pictures in actual])
    quality = np.where(np.isnan(psnr), -np.inf, psnr)  # (files, samples)
    worst = quality.argmin(axis=1)
    chosen = _worst_samples(quality, worst, rows)
    differences = [np.abs(pictures[chosen] - expected[chosen]) for pictures in actual]
    columns = tuple(
        SheetColumn(candidate.label, candidate.precision, _amplification(difference, span))
        for candidate, difference in zip(candidates, differences, strict=True)
    )
    laid_out = []
    for place, sample in enumerate(chosen):
        cells = tuple(
            Cell(
                picture=drawn(pictures[sample], lowest, span),
                difference=_heat(difference[place] * column.amplification / span),
                psnr_db=float(psnr[file, sample]),
                worst=bool(worst[file] == sample),
            )
            for file, (pictures, difference, column) in enumerate(
                zip(actual, differences, columns, strict=True)
            )
        )
        laid_out.append(SheetRow(sample, drawn(expected[sample], lowest, span), cells))
    return replace(sheet, columns=columns, rows=tuple(laid_out))


def _psnr_of_each(expected: Values, actual: Values, span: float) -> list[float]:
    return [psnr_db(one, other, span) for one, other in zip(expected, actual, strict=True)]


def _worst_samples(quality: NDArray[np.float64], worst: NDArray[np.intp], rows: int) -> list[int]:
    """The samples to show, by the lowest PSNR that any file has there."""
    ranked = [int(sample) for sample in quality.min(axis=0).argsort(kind="stable")]
    wanted = {*ranked[:rows], *worst.tolist()}
    return [sample for sample in ranked if sample in wanted]


def _amplification(difference: Values, span: float) -> int:
    """The largest of 1, 2, 5, 10, ... that keeps every finite difference inside the span."""
    finite = difference[np.isfinite(difference)]
    largest = float(finite.max()) if finite.size else 0.0
    if largest == 0:
        return 1
    steps = [step * 10**power for power in range(_POWERS_OF_TEN) for step in (1, 2, 5)]
    return max([step for step in steps if largest * step <= span], default=1)


def _heat(difference: Values) -> Picture:
    """Differences (H, W, C) in [0, 1] in colours, the largest of the channels counting."""
    largest = np.nan_to_num(difference.max(axis=-1), nan=1, posinf=1).clip(0, 1)
    places = np.linspace(0, 1, len(_COLOURS))
    channels = [np.interp(largest, places, _COLOURS[:, channel]) for channel in range(3)]
    return png(np.rint(np.stack(channels, axis=-1)).astype(np.uint8))
