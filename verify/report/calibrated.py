"""The ranges that files were calibrated with, as bars: what outliers leave of a scale."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from chunkport.errors import BadInputError
from convert.calibration.ranges import TensorRange
from convert.calibration.record import LayerRanges, layers_in
from convert.tensor_names import module_path
from verify.report import JudgedFile

_SHOWN = 12


@dataclass(frozen=True)
class RangeBar:
    """The range of what goes into a layer.

    Attributes:
        layer: its module.
        kind: the op.
        held: the range.
        start_percent: where, of the whole range, all but one value in a thousand begins.
        width_percent: how much of it those take that are neither the least nor the largest.
    """

    layer: str
    kind: str
    held: TensorRange
    start_percent: float
    width_percent: float


@dataclass(frozen=True)
class CalibratedFile:
    """A file's calibration.

    Attributes:
        label: the file's.
        told: what it was calibrated on, in a sentence.
        doubts: what to beware of.
        bars: of the layers that 8 bits serve worst, the worst first.
        layers: how many layers there are.
    """

    label: str
    told: str
    doubts: tuple[str, ...]
    bars: tuple[RangeBar, ...]
    layers: int


def calibrations_of(files: Iterable[JudgedFile]) -> tuple[CalibratedFile, ...]:
    """The calibrations that the files' cards tell of.

    Raises:
        BadInputError: a card's record of it is none.
    """
    found = []
    for file in files:
        if file.card is None or not file.card.calibration:
            continue
        record = file.card.calibration
        try:
            layers = sorted(layers_in(record), key=lambda layer: layer.taken.int8_db)
            told, doubts = _sentence(record), tuple(map(str, record["doubts"]))
        except (ValueError, TypeError, LookupError) as error:
            raise BadInputError(
                f"{file.label}: what its card says of calibration is damaged ({error!r}); convert "
                "it again"
            ) from error
        bars = tuple(map(_bar, layers[:_SHOWN]))
        found.append(CalibratedFile(file.label, told, doubts, bars, len(layers)))
    return tuple(found)


def _sentence(record: dict[str, Any]) -> str:
    place = f"in '{record['folder']}'" if record["folder"] else f"by seed {record['seed']}"
    missed = record["missed_by_half"]
    rest = "" if missed is None else f"; half of them would have missed {missed:.1%} of a range"
    return f"{record['count']} samples, {record['source']} {place}{rest}."


def _bar(layer: LayerRanges) -> RangeBar:
    held = layer.taken
    whole = held.highest - held.lowest
    start, width = (
        (100 * (held.low - held.lowest) / whole, 100 * (held.high - held.low) / whole)
        if whole > 0
        else (0.0, 100.0)
    )
    path = module_path(layer.layer)
    return RangeBar(".".join(path) if path else layer.layer, layer.kind, held, start, width)
