"""What each op of a .tflite keeps its weights in, as the file says it.

The quantizer skips in silence what it has no recipe for; this is where that shows.
"""

from dataclasses import dataclass
from typing import Any

from convert.quantization.op_widths import WEIGHT_AT
from convert.tflite import op_kind


@dataclass(frozen=True)
class OpWeight:
    """One op's weight: the op's kind, the weight's name, its type as the schema calls it."""

    op: str
    weight: str
    dtype: str


def weight_dtypes(model: Any) -> list[OpWeight]:
    """Each op with a constant weight, in the order of execution.

    A float16 weight that is widened before its op counts as FLOAT16: that is what is stored.
    """
    from ai_edge_litert.tools import flatbuffer_utils

    found = []
    for subgraph in model.subgraphs:
        widened = {
            op.outputs[0]: op.inputs[0]
            for op in subgraph.operators
            if op_kind(model, op) == "DEQUANTIZE"
        }
        for op in subgraph.operators:
            kind = op_kind(model, op)
            if kind not in WEIGHT_AT:
                continue
            index = op.inputs[WEIGHT_AT[kind]]
            tensor = subgraph.tensors[widened.get(index, index)]
            data = model.buffers[tensor.buffer].data
            if data is not None and len(data):
                dtype = flatbuffer_utils.type_to_name(tensor.type)
                found.append(OpWeight(kind, tensor.name.decode(), dtype))
    return found
