"""The ranges of a model's activations, as calibration measured them: plain values, kept as JSON."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import UnionType
from typing import Any

import numpy as np

from chunkport.errors import BadInputError, UsageError
from chunkport.files import replacing
from convert.tflite import read_flatbuffer

SCHEMA_VERSION = 1
# With fewer than four samples neither the generator nor TinySeal passed its verdict as int8-static.
# TinySeal did from 256 on, of which a half would have missed 5%; with 64 and 6% it did not.
FEWEST_SAMPLES = 16
MOST_MISSED = 0.06
_NUMBERS = ("lowest", "highest", "low", "high", "rms")
_FIELDS: Mapping[str, tuple[type | UnionType, str]] = {
    "graph_sha256": (str, "a text"),
    "source": (str, "a text"),
    "folder": (str | None, "a text or null"),
    "count": (int, "a whole number"),
    "seed": (int | None, "a whole number or null"),
    "missed_by_half": (float | int | None, "a number or null"),
}
# int16 has bits to spare, and what lies beyond a range is cut off: half as much again took the
# generator's worst picture from 43.5 to 61 dB.
_ROOM_IN_INT16 = 1.5
_STEPS_OF_INT8 = 255


@dataclass(frozen=True)
class TensorRange:
    """What one tensor held over all samples.

    Attributes:
        lowest: the least value.
        highest: the largest.
        low: a value that one in a thousand lies below.
        high: a value that one in a thousand lies above.
        rms: the root of the mean square.
    """

    lowest: float
    highest: float
    low: float
    high: float
    rms: float

    @property
    def outliers(self) -> float:
        """The largest magnitude over that which all but two in a thousand stay within."""
        usual = max(abs(self.low), abs(self.high))
        largest = max(abs(self.lowest), abs(self.highest))
        if usual == 0:
            return 1.0 if largest == 0 else math.inf
        return largest / usual

    @property
    def int8_db(self) -> float:
        """The signal over the noise of rounding it to 8 bits, in dB.

        The noise of a step is its square over 12; the step is a 255th of the range with 0 in it.
        """
        step = (max(self.highest, 0) - min(self.lowest, 0)) / _STEPS_OF_INT8
        if step == 0 or self.rms == 0:
            return math.inf
        return 20 * math.log10(self.rms / step * math.sqrt(12))


@dataclass(frozen=True)
class Ranges:
    """A calibration of one float32 file.

    Attributes:
        graph_sha256: of the file's tensors and constants, as `graph_sha256` gives it.
        source: "drawn" or "drawn pictures" where the model's spec made the samples; "pictures" or
            "arrays" of a folder.
        folder: the folder's name; None where they were drawn.
        count: how many samples.
        seed: what they were drawn by; None where they came from a folder.
        missed_by_half: by how much, as a part, a random half of the samples leaves the ranges
            narrower, on average over tensors; None of a single sample.
        tensors: by name.
    """

    graph_sha256: str
    source: str
    folder: str | None
    count: int
    seed: int | None
    missed_by_half: float | None
    tensors: Mapping[str, TensorRange]

    @property
    def doubts(self) -> tuple[str, ...]:
        """What to beware of, in words: too few samples, or none of the user's own."""
        found = []
        if self.source == "noise":
            found.append(
                "calibrated on normal noise, as nothing is known of the inputs: real ones may lie "
                "far outside these ranges; give --calibration-dir with .npy or .npz files of some"
            )
        if self.count < FEWEST_SAMPLES:
            found.append(
                f"calibrated on {self.count} samples, which are few: give {FEWEST_SAMPLES} or more"
            )
        elif self.missed_by_half is not None and self.missed_by_half > MOST_MISSED:
            found.append(
                f"half of the {self.count} samples would have left the ranges "
                f"{self.missed_by_half:.0%} narrower on average, so more would widen them: give "
                "twice as many"
            )
        if self.source == "drawn pictures":
            found.append(
                "calibrated on drawn pictures, which may be unlike yours: give --calibration-dir"
            )
        return tuple(found)

    def measured(self, *, room: bool) -> dict[str, dict[str, Any]]:
        """As ai-edge-quantizer takes them: by tensor name, its lowest and highest value.

        These and nothing narrower: on the trained generator and on TinySeal they are what passes.
        The quantizer's own moving average cuts off what rare samples hold (generator: worst
        picture 33 dB in place of 38), so do 99.9th percentiles (largest difference 0.99 in place
        of 0.17), and ranges of the least square error, better for the generator's average by
        3 dB, cost TinySeal a third (relative L2 0.051 in place of 0.042).

        Args:
            room: leave room beyond, as 16 bits allow.
        """
        factor = _ROOM_IN_INT16 if room else 1.0
        return {
            name: {
                "min": np.array([held.lowest * factor]),
                "max": np.array([held.highest * factor]),
            }
            for name, held in self.tensors.items()
        }

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        values = {**vars(self), "tensors": {k: asdict(v) for k, v in self.tensors.items()}}
        return {"schema_version": SCHEMA_VERSION, **values}


def graph_sha256(model: Any) -> str:
    """What a float32 file computes, as a digest: its tensors' names and shapes and its constants.

    The card is no part of it.
    """
    digest = hashlib.sha256()
    for subgraph in model.subgraphs:
        for tensor in subgraph.tensors:
            shape = [] if tensor.shape is None else [int(n) for n in tensor.shape]
            digest.update(json.dumps([tensor.name.decode(), tensor.type, shape]).encode())
            data = model.buffers[tensor.buffer].data
            if data is not None:
                digest.update(np.ascontiguousarray(data).data)
    return digest.hexdigest()


def write_ranges(ranges: Ranges, path: Path, *, force: bool = False) -> None:
    """Write them as a JSON file.

    Raises:
        UsageError: there is one and no `force`, or it cannot be written.
    """
    if path.exists() and not force:
        raise UsageError(f"{path}: already there; add --force to replace")
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(ranges.to_json(), indent=1), encoding="utf-8")


def read_ranges(path: Path) -> Ranges:
    """Undo `write_ranges`.

    Raises:
        BadInputError: there is no such file, or it holds no ranges, or wrong ones; says where.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInputError(f"{path}: holds no ranges that can be read ({error})") from error
    again = "measure them again with --save-ranges"
    try:
        if values["schema_version"] != SCHEMA_VERSION:
            raise BadInputError(f"{path}: was written by a later chunkport; update it, or {again}")
        fields = {name: values[name] for name in Ranges.__dataclass_fields__}
        tensors = {
            str(name): TensorRange(**{key: float(held[key]) for key in _NUMBERS})
            for name, held in values["tensors"].items()
        }
    except LookupError as error:
        raise BadInputError(f"{path}: holds no ranges: {error} is missing; {again}") from error
    except (TypeError, AttributeError, ValueError) as error:
        raise BadInputError(f"{path}: holds no ranges ({error}); {again}") from error
    for name, (types, kind) in _FIELDS.items():
        if not isinstance(fields[name], types):
            raise BadInputError(f"{path}: '{name}' is {fields[name]!r}; expected {kind}; {again}")
    for name, held in tensors.items():
        if not all(map(math.isfinite, vars(held).values())) or held.lowest > held.highest:
            raise BadInputError(f"{path}: the range of '{name}' is none; {again}")
    return Ranges(**{**fields, "tensors": tensors})


def check_fit(ranges: Ranges, float_model: Path, origin: Path) -> None:
    """Hold ranges that were read to the file that they are to be used for.

    Raises:
        BadInputError: they were measured on another one; tells how it differs.
    """
    model = read_flatbuffer(float_model)
    if graph_sha256(model) == ranges.graph_sha256:
        return
    names = {tensor.name.decode() for part in model.subgraphs for tensor in part.tensors}
    unknown = sorted(set(ranges.tensors) - names)
    difference = (
        f"it has no tensor '{unknown[0]}'" if unknown else "its weights or its tensors are others"
    )
    raise BadInputError(
        f"{origin}: its ranges were measured on another float32 model: {difference}; leave out "
        "--ranges to measure them anew"
    )
