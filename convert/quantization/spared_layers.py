"""Layers that one scale of 8 bits would not serve, as rules with their reasons: int8-static's own.

They keep 8-bit weights; their activations are rounded by ranges of the moment, or in 16 bits where
all is to be integers.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from convert.calibration.ranges import Ranges
from convert.calibration.record import TAKEN_AT
from convert.quantization.op_widths import MOVING
from convert.quantization.recipe import Recipe, Rule
from convert.tflite import op_kind

# On TinySeal the input of one layer lies below, at 24 dB: sparing it takes the relative L2 of the
# logits from 0.050 to 0.042. The generator's lowest is at 31 dB.
LEAST_DB = 27.0
_WITHOUT_DYNAMIC_KERNEL = ("DEPTHWISE_CONV_2D", "BATCH_MATMUL")


def spare_layers(recipe: Recipe, ranges: Ranges, model: Any) -> Recipe:
    """The recipe with a rule for each layer of the float32 model that 8 bits would not serve."""
    rules = []
    for op, reason in _found(ranges, model):
        names = (model.subgraphs[0].tensors[index].name.decode() for index in op.outputs)
        scope, kind = "".join(f"{name};" for name in names), op_kind(model, op)
        matching = [rule for rule in recipe.rules if rule.matches(kind, scope)]
        if not matching or matching[-1].activations != "int8":
            continue
        layer = f"^{re.escape(scope)}$"
        if recipe.integer_io:
            rules.append(Rule("int8", "int16", layer=layer, op=kind, reason=reason))
        elif kind in _WITHOUT_DYNAMIC_KERNEL:
            rules.append(Rule("float32", "float32", layer=layer, op=kind, reason=reason))
        else:
            rules.append(Rule("int8", "dynamic", layer=layer, op=kind, reason=reason))
    return replace(recipe, rules=(*recipe.rules, *rules))


def _found(ranges: Ranges, model: Any) -> Iterator[tuple[Any, str]]:
    """The ops with weights that are to be spared, each with the reason."""
    subgraph = model.subgraphs[0]
    answering = set(_answering(model))
    for place, op in enumerate(subgraph.operators):
        kind = op_kind(model, op)
        if kind not in TAKEN_AT:
            continue
        taken = ranges.tensors.get(subgraph.tensors[op.inputs[TAKEN_AT[kind]]].name.decode())
        if place in answering:
            yield op, "it gives an output, which is not to be cut off where calibration ended"
        elif taken is not None and taken.int8_db < LEAST_DB:
            yield (
                op,
                f"a few outliers waste the scale of its input: 8 bits leave {taken.int8_db:.0f} dB",
            )


def _answering(model: Any) -> Iterator[int]:
    """The places of ops whose result is an output, whole or moved."""
    subgraph = model.subgraphs[0]
    makers = {
        int(index): place for place, op in enumerate(subgraph.operators) for index in op.outputs
    }
    waiting = [int(index) for index in subgraph.outputs]
    while waiting:
        place = makers.get(waiting.pop())
        if place is None:
            continue
        if op_kind(model, subgraph.operators[place]) in MOVING:
            waiting += map(int, subgraph.operators[place].inputs)
        else:
            yield place
