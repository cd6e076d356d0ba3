"""What a file's card keeps of its calibration: enough to judge it, in a few kilobytes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from convert.calibration.ranges import Ranges, TensorRange
from convert.tflite import op_kind

# Ops with weights, and which of their inputs are the activations.
TAKEN_AT = {
    "BATCH_MATMUL": 0,
    "CONV_2D": 0,
    "DEPTHWISE_CONV_2D": 0,
    "FULLY_CONNECTED": 0,
    "TRANSPOSE_CONV": 2,
}
_DIGITS = 4


@dataclass(frozen=True)
class LayerRanges:
    """The ranges around one layer.

    Attributes:
        layer: the name of the tensor that it gives.
        kind: the op, as TFLite names it.
        taken: the range of what goes in.
        given: the range of what comes out.
    """

    layer: str
    kind: str
    taken: TensorRange
    given: TensorRange


def record_calibration(ranges: Ranges, float_model: Any) -> dict[str, Any]:
    """How it was calibrated, and each layer's ranges, as plain JSON values."""
    tensors = float_model.subgraphs[0].tensors
    layers = []
    for op in float_model.subgraphs[0].operators:
        kind = op_kind(float_model, op)
        if kind not in TAKEN_AT:
            continue
        taken, given = (
            tensors[index].name.decode() for index in (op.inputs[TAKEN_AT[kind]], op.outputs[0])
        )
        if taken in ranges.tensors and given in ranges.tensors:
            numbers = [_numbers(ranges.tensors[name]) for name in (taken, given)]
            layers.append([given, kind, *numbers])
    return {
        "source": ranges.source,
        "folder": ranges.folder,
        "count": ranges.count,
        "seed": ranges.seed,
        "missed_by_half": ranges.missed_by_half,
        "doubts": list(ranges.doubts),
        "layers": layers,
    }


def layers_in(record: Mapping[str, Any]) -> list[LayerRanges]:
    """The layers of a record, from a card.

    Raises:
        ValueError, TypeError, LookupError: it is none.
    """
    return [
        LayerRanges(str(layer), str(kind), TensorRange(*taken), TensorRange(*given))
        for layer, kind, taken, given in record["layers"]
    ]


def _numbers(held: TensorRange) -> list[float]:
    return [float(f"{value:.{_DIGITS}g}") for value in vars(held).values()]
