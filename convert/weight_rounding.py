"""Weights of a quantized file chosen anew, by what they do to the model and not one by one.

The quantizer writes the file; here integers, scales and biases in it are replaced by better ones.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chunkport.errors import ConversionError
from convert.recipe import BY_SAMPLES, Recipe, Rule
from convert.tflite import op_kind, read_flatbuffer, write_flatbuffer

Arrays = Mapping[str, NDArray[Any]]

ROUNDED = ("CONV_2D", "FULLY_CONNECTED")
_INT4, _INT8 = 17, 9  # the schema's TensorType
_WIDTHS = {_INT4: "int4", _INT8: "int8"}


@dataclass(frozen=True)
class _Place:
    """One layer in both files.

    Attributes:
        output, weight, bias: indices of tensors in the float file; bias may be None.
        op: of the quantized file.
        stored: index of its weight there.
        width: "int4" or "int8".
        widened: its weights become floats before it computes.
        rule: of the recipe, which it was made by.
    """

    output: int
    weight: int
    bias: int | None
    op: Any
    stored: int
    width: str
    widened: bool
    rule: Rule


def round_weights(
    float_model: Path, recipe: Recipe, quantized: Path, samples: Sequence[Arrays]
) -> None:
    """Replace what the quantizer put into `quantized` for each layer whose rule says "hessian" or "learned".

    Args:
        float_model: the float32 .tflite that it was made from.
        recipe: that it was made by.
        quantized: the file, rewritten in its place.
        samples: inputs by name.

    Raises:
        ConversionError: the float file has an op that cannot be followed, or there is no sample.
    """
    import torch

    from convert.differentiable import read_graph
    from convert.dynamic_inputs import ROUNDED_ON_THE_WAY
    from convert.hessian_rounding import round_by_hessian
    from convert.learned_rounding import learn_rounding
    from convert.rounded_layers import Layer

    if not samples:
        raise ConversionError(f"{quantized}: rounding by samples needs some, and there are none")
    model, graph = read_flatbuffer(quantized), read_graph(float_model)
    tensors = model.subgraphs[0].tensors
    places = _places(read_flatbuffer(float_model), model, recipe)
    stand_ins = {
        place.weight: torch.from_numpy(stored_values(model, tensors[place.stored]))
        for place in places
        if place.rule.algorithm not in BY_SAMPLES
    }
    changed_inputs = {
        place.output: ROUNDED_ON_THE_WAY[op_kind(model, place.op)]
        for place in places
        if not place.widened
    }
    # The learned ones last: they make up for all others.
    for algorithm, choose in (("hessian", round_by_hessian), ("learned", learn_rounding)):
        chosen = [place for place in places if place.rule.algorithm == algorithm]
        if not chosen:
            continue
        weights, biases = choose(
            graph,
            [
                Layer(place.output, place.weight, place.bias, int(place.width.removeprefix("int")))
                for place in chosen
            ],
            samples,
            stand_ins=stand_ins,
            changed_inputs=changed_inputs,
            correct_biases=recipe.bias_correction,
        )
        for place in chosen:
            tensor, found = tensors[place.stored], weights[place.weight]
            packed = pack_int4(found.integers) if place.width == "int4" else found.integers
            tensor.quantization.scale = found.scale
            tensor.quantization.zeroPoint = np.zeros(len(found.scale), np.int64)
            _put(model, tensor, packed)
            stand_ins[place.weight] = torch.from_numpy(found.values())
            if place.bias is not None and place.bias in biases:
                _put(model, tensors[place.op.inputs[2]], biases[place.bias])
                stand_ins[place.bias] = torch.from_numpy(biases[place.bias])
    scratch = quantized.with_suffix(".rounded")
    write_flatbuffer(model, scratch)
    scratch.replace(quantized)


def pack_int4(integers: NDArray[np.int8]) -> NDArray[np.uint8]:
    """Two to a byte, the first one in the low half; the last half is empty for an odd count."""
    flat = integers.reshape(-1).view(np.uint8) & 0xF
    flat = np.append(flat, np.zeros(flat.size % 2, np.uint8))
    return np.asarray(flat[::2] | flat[1::2] << 4, np.uint8)


def unpack_int4(packed: NDArray[np.uint8], count: int) -> NDArray[np.int8]:
    """Undo `pack_int4`."""
    halves = np.stack([packed & 0xF, packed >> 4], axis=-1).reshape(-1)[:count]
    return ((halves ^ 8).astype(np.int8) - 8).astype(np.int8)


def stored_values(model: Any, tensor: Any) -> NDArray[np.float32]:
    """What the integers of a weight with a scale per channel, or with one, stand for."""
    data = np.asarray(model.buffers[tensor.buffer].data, np.uint8)
    shape = tuple(tensor.shape)
    count = int(np.prod(shape))
    integers = unpack_int4(data, count) if tensor.type == _INT4 else data.view(np.int8)
    scale = np.asarray(tensor.quantization.scale, np.float32)
    along = [1] * len(shape)
    along[tensor.quantization.quantizedDimension] = len(scale)
    return integers.reshape(shape).astype(np.float32) * scale.reshape(along)


def _put(model: Any, tensor: Any, values: NDArray[Any]) -> None:
    """Give the tensor these values, and leave others that share its buffer as they are."""
    from ai_edge_litert import schema_py_generated as schema

    sharing = Counter(each.buffer for subgraph in model.subgraphs for each in subgraph.tensors)
    if sharing[tensor.buffer] > 1:
        model.buffers.append(schema.BufferT())
        tensor.buffer = len(model.buffers) - 1
    model.buffers[tensor.buffer].data = np.ascontiguousarray(values).reshape(-1).view(np.uint8)


def _places(float_model: Any, model: Any, recipe: Recipe) -> list[_Place]:
    """The layers whose weights are integers with a scale per channel, in order of execution."""
    exact, subgraph = float_model.subgraphs[0], model.subgraphs[0]
    by_name = {exact.tensors[op.outputs[0]].name: op for op in exact.operators}
    widened = {
        op.outputs[0]: op.inputs[0]
        for op in subgraph.operators
        if op_kind(model, op) == "DEQUANTIZE"
    }
    places = []
    for op in subgraph.operators:
        kind, name = op_kind(model, op), subgraph.tensors[op.outputs[0]].name
        if kind not in ROUNDED or name not in by_name:
            continue
        stored = widened.get(op.inputs[1], op.inputs[1])
        tensor, original = subgraph.tensors[stored], by_name[name]
        rule = _rule_of(recipe, kind, name.decode(), _WIDTHS.get(tensor.type))
        in_blocks = tensor.quantization is None or tensor.quantization.scale is None
        if rule is None or in_blocks or model.buffers[tensor.buffer].data is None:
            continue
        bias = int(original.inputs[2]) if len(original.inputs) > 2 else -1
        places.append(
            _Place(
                output=int(original.outputs[0]),
                weight=int(original.inputs[1]),
                bias=bias if bias >= 0 else None,
                op=op,
                stored=int(stored),
                width=_WIDTHS[tensor.type],
                widened=op.inputs[1] in widened,
                rule=rule,
            )
        )
    return places


def _rule_of(recipe: Recipe, kind: str, name: str, width: str | None) -> Rule | None:
    """The last rule for such an op that asks for what it got."""
    for rule in reversed(recipe.rules):
        if rule.op in ("*", kind) and rule.weights == width and re.search(rule.layer, name):
            return rule
    return None
