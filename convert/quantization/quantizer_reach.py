"""What ai-edge-quantizer leaves in float or gets wrong, although LiteRT has the integer kernels."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from convert.tflite import op_kind, read_flatbuffer, write_flatbuffer

# Ops that it does not know, by TFLite's names, each with one that it knows and that has the same
# needs: input and output with scales of their own, or one scale for all.
STAND_INS = {
    "ABS": "RELU",
    "LEAKY_RELU": "RELU",
    "RELU6": "RELU",
    "MINIMUM": "MAXIMUM",
}
_POWER_OF_TWO_SCALES = ("ADD", "SUB")


@contextmanager
def more_ops_known() -> Iterator[None]:
    """Let ai-edge-quantizer treat the ops of `STAND_INS` as what stands in for them."""
    from ai_edge_quantizer.qtyping import BuiltinOperator, TFLOperationName
    from ai_edge_quantizer.utils import tfl_flatbuffer_utils

    known = dict(tfl_flatbuffer_utils.TFL_OP_CODE_TO_NAME)
    for kind, stand_in in STAND_INS.items():
        known.setdefault(getattr(BuiltinOperator, kind), TFLOperationName[stand_in])
    with patch.object(tfl_flatbuffer_utils, "TFL_OP_CODE_TO_NAME", known):
        yield


def free_int16_scales(path: Path) -> None:
    """Have sums and differences of int16 take any scale; the converter's files say powers of two.

    The quantizer leaves that as it is, and the runtime then refuses the file, or computes with
    scales rounded to powers of two.
    """
    model = read_flatbuffer(path)
    for op in _sums(model):
        op.builtinOptions.potScaleInt16 = False
    write_flatbuffer(model, path)


def _sums(model: Any) -> Iterator[Any]:
    for subgraph in model.subgraphs:
        for op in subgraph.operators:
            if op_kind(model, op) in _POWER_OF_TWO_SCALES and op.builtinOptions is not None:
                yield op
