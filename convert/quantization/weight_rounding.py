"""Weights of a quantized file chosen anew, by what they do to their layers and not one by one.

The quantizer writes the file; here integers, scales and biases in it are replaced by better ones,
layer by layer, each with the layers before it as they will be.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chunkport.errors import ConversionError
from convert.calibration.measuring import samples_for
from convert.calibration.samples import CalibrationChoice, Samples
from convert.quantization.hessian_rounding import corrected_bias, gather_inputs, round_rows
from convert.quantization.layer_inputs import rows_of, values_at
from convert.quantization.recipe import BY_SAMPLES, Recipe, Rule
from convert.stored.int4 import pack_int4
from convert.tflite import op_kind, read_flatbuffer, write_flatbuffer

Arrays = Mapping[str, NDArray[Any]]

DRAWN = 256
_ROUNDED = ("CONV_2D", "FULLY_CONNECTED")
_WEIGHT, _BIAS = 1, 2
_WIDTHS = {17: "int4", 9: "int8"}  # by the schema's TensorType
_BITS = {"int4": 4, "int8": 8}


@dataclass(frozen=True)
class _Layer:
    """One layer in both files.

    Attributes:
        kind: of op.
        exact: its op in the float file.
        op: the same in the quantized file.
        stored: index of its weight there.
        width: "int4" or "int8".
    """

    kind: str
    exact: Any
    op: Any
    stored: int
    width: str


def samples_to_round_by(
    float_model: Path, choice: CalibrationChoice, model: str | None = None
) -> Samples:
    """The samples that a choice names; where it names none, more are drawn than for ranges.

    Raises:
        UsageError: the folder holds nothing fit, or there is neither folder nor spec.
    """
    count = choice.samples if choice.folder else choice.samples or DRAWN
    return samples_for(float_model, replace(choice, samples=count, ranges=None), model)


def record_rounding(recipe: Recipe, samples: Samples) -> dict[str, Any]:
    """What a card keeps of it, as plain JSON values."""
    return {
        "algorithms": sorted({rule.algorithm for rule in recipe.rules} & set(BY_SAMPLES)),
        "bias_correction": recipe.bias_correction,
        "source": samples.source,
        "folder": samples.folder,
        "count": samples.count,
        "seed": samples.seed,
    }


def round_weights(
    float_model: Path, recipe: Recipe, quantized: Path, samples: Sequence[Arrays]
) -> None:
    """Replace what the quantizer put into `quantized` for each layer whose rule says "gptq".

    Args:
        float_model: the float32 .tflite that it was made from.
        recipe: that it was made by.
        quantized: the file, rewritten in its place.
        samples: inputs by name.

    Raises:
        ConversionError: there is no sample, or LiteRT refuses one of the files.
    """
    if not samples:
        raise ConversionError(f"{quantized}: rounding by samples needs some, and there are none")
    float_tree, tree = read_flatbuffer(float_model), read_flatbuffer(quantized)
    scratch = quantized.with_suffix(".cut")
    done: set[int] = set()
    for layer in _layers(float_tree, tree, recipe):
        tensors = tree.subgraphs[0].tensors
        stored, index = tensors[layer.stored], int(layer.exact.inputs[_WEIGHT])
        if layer.stored in done:  # shared with a layer before
            continue
        done.add(layer.stored)
        weight = _floats(float_tree, index)
        flat = weight.reshape(len(weight), -1)
        sides = ((float_tree, layer.exact), (tree, layer.op))
        wanted, given = (
            (
                rows_of(op, layer.kind, values, weight.shape)
                for values in values_at(
                    side, int(op.inputs[0]), samples, scratch.with_suffix(f".cut{number}")
                )
            )
            for number, (side, op) in enumerate(sides)
        )
        inputs = gather_inputs(zip(given, wanted, strict=True), flat.shape[1])
        rounded = round_rows(flat, inputs, _BITS[layer.width])
        packed = pack_int4(rounded.integers) if layer.width == "int4" else rounded.integers
        stored.quantization.scale = rounded.scale
        stored.quantization.zeroPoint = np.zeros(len(rounded.scale), np.int64)
        _put(tree, stored, packed)
        bias = _bias_of(layer.exact)
        if recipe.bias_correction and bias is not None and layer.op.inputs[_BIAS] not in done:
            done.add(int(layer.op.inputs[_BIAS]))
            corrected = corrected_bias(flat, rounded, _floats(float_tree, bias), inputs)
            _put(tree, tensors[layer.op.inputs[_BIAS]], corrected)
    new = quantized.with_suffix(".rounded")
    write_flatbuffer(tree, new)
    new.replace(quantized)


def _floats(model: Any, index: int) -> NDArray[np.float32]:
    tensor = model.subgraphs[0].tensors[index]
    values = np.asarray(model.buffers[tensor.buffer].data).view(np.float32)
    return values.reshape(tuple(tensor.shape))


def _bias_of(op: Any) -> int | None:
    return int(op.inputs[_BIAS]) if len(op.inputs) > _BIAS and op.inputs[_BIAS] >= 0 else None


def _put(model: Any, tensor: Any, values: NDArray[Any]) -> None:
    """Give the tensor these values, and leave others that share its buffer as they are."""
    from ai_edge_litert import schema_py_generated as schema

    sharing = Counter(each.buffer for subgraph in model.subgraphs for each in subgraph.tensors)
    if sharing[tensor.buffer] > 1:
        model.buffers.append(schema.BufferT())
        tensor.buffer = len(model.buffers) - 1
    model.buffers[tensor.buffer].data = np.ascontiguousarray(values).reshape(-1).view(np.uint8)


def _layers(float_tree: Any, tree: Any, recipe: Recipe) -> Iterator[_Layer]:
    """The layers to round, in the order of execution."""
    subgraph, exact = tree.subgraphs[0], float_tree.subgraphs[0]
    by_name = {exact.tensors[op.outputs[0]].name: op for op in exact.operators}
    widened = {
        int(op.outputs[0]): int(op.inputs[0])
        for op in subgraph.operators
        if op_kind(tree, op) == "DEQUANTIZE"
    }
    for op in subgraph.operators:
        kind, name = op_kind(tree, op), subgraph.tensors[op.outputs[0]].name
        if kind not in _ROUNDED or name not in by_name:
            continue
        stored = widened.get(int(op.inputs[_WEIGHT]), int(op.inputs[_WEIGHT]))
        width = _WIDTHS.get(subgraph.tensors[stored].type)
        rule = _rule_of(recipe, kind, f"{name.decode()};", width)
        if width and rule and rule.algorithm in BY_SAMPLES:
            yield _Layer(kind, by_name[name], op, stored, width)


def _rule_of(recipe: Recipe, kind: str, scope: str, width: str | None) -> Rule | None:
    """The last rule for such an op that asks for what it got."""
    for rule in reversed(recipe.rules):
        if rule.weights == width and rule.matches(kind, scope):
            return rule
    return None
