"""Every precision other than float32, made from the float32 .tflite by its recipe."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from chunkport.errors import ConversionError
from convert.calibration.ranges import Ranges
from convert.quantization.inherited_widths import FLOAT, inherited_widths
from convert.quantization.quantizer_fault import large_kernels_quantized, lowest_int4_avoided
from convert.quantization.quantizer_reach import STAND_INS, free_int16_scales, more_ops_known
from convert.quantization.recipe import EVERYTHING, Recipe, Rule
from convert.tflite import constants, op_kind, read_flatbuffer

_FLOAT16_MAX = float(np.finfo(np.float16).max)
_ALGORITHMS = {
    "min-max": "MIN_MAX_UNIFORM_QUANT",
    "octav": "OCTAV",
    "mse": "MSE",
    "gptq": "MIN_MAX_UNIFORM_QUANT",  # to begin with: see convert/quantization/weight_rounding.py
}
# What the quantizer calls otherwise than TFLite does.
_OP_NAMES = {"*": "ALL_SUPPORTED", "TRANSPOSE_CONV": "CONV_2D_TRANSPOSE", **STAND_INS}
# Under one name of the quantizer's there are several of these.
_SHARED = {*STAND_INS, *STAND_INS.values()}
_IN_BLOCKS = ("FULLY_CONNECTED", "EMBEDDING_LOOKUP")
_BITS = {"int4": 4, "int8": 8, "int16": 16}


def quantize(float_model: Path, recipe: Recipe, target: Path, ranges: Ranges | None = None) -> None:
    """Write `target` by the recipe. Meant for a process of its own.

    Args:
        float_model: the float32 .tflite.
        recipe: the widths.
        target: the file to write.
        ranges: of the float32 file's activations; for recipes that are calibrated.

    Raises:
        ConversionError: a weight does not fit the precision, or the quantizer failed.
    """
    from ai_edge_quantizer import quantizer

    if any(rule.weights == "float16" for rule in recipe.rules):
        _refuse_beyond_float16(float_model)
    measured = None
    if ranges is not None and recipe.calibrated:
        integer = (rule for rule in recipe.rules if rule.activations in _BITS)
        measured = ranges.measured(room=all(rule.activations == "int16" for rule in integer))
    tool = quantizer.Quantizer(str(float_model))
    configure(tool, recipe, read_flatbuffer(float_model))
    try:
        with large_kernels_quantized(), lowest_int4_avoided(), more_ops_known():
            # To the file as it is made: a copy of the whole would not fit beside the largest.
            tool.quantize(measured, serialize_to_path=str(target))
    except (RuntimeError, ValueError) as error:
        raise ConversionError(f"ai-edge-quantizer could not make the file: {error}") from error
    if any(rule.activations == "int16" for rule in recipe.rules):
        free_int16_scales(target)


def configure(tool: Any, recipe: Recipe, model: Any) -> None:
    """Give the quantizer the recipe's rules, each for the ops of this model that it can do.

    Raises:
        ConversionError: a rule for one kind of op is none that the quantizer can do.
    """
    from ai_edge_quantizer.qtyping import TFLOperationName

    scopes = scopes_by_kind(model)
    for index, rule in enumerate(recipe.rules):
        name = _OP_NAMES.get(rule.op, rule.op)
        if name not in TFLOperationName.__members__ or rule.op not in ("*", *scopes):
            continue  # the quantizer leaves such ops alone, whatever the rule says
        # A pattern of its own for each: under one, the quantizer keeps one rule for all ops.
        pattern = f"(?#{index}){_all_but(undivided(model, rule))}(?:{rule.layer})"
        if rule.op in _SHARED:
            meant = [scope for scope in scopes[rule.op] if re.search(pattern, scope)]
            pattern = f"(?#{index}){_exactly(meant)}"
        try:
            tool.update_quantization_recipe(
                pattern, TFLOperationName[name], _op_config(rule), _algorithm(rule)
            )
        except ValueError as error:
            raise ConversionError(
                f"rule {index} of the recipe ({rule.weights} {rule.granularity}, "
                f"{rule.activations} activations) cannot be done for {rule.op}: {error}"
            ) from error
    for number, (scope, width) in enumerate(_inherited(model, recipe).items()):
        rule = Rule(FLOAT, FLOAT) if width == FLOAT else Rule("int8", width)
        pattern = f"(?#inherited {number}){_exactly([scope])}"
        every = TFLOperationName.ALL_SUPPORTED
        tool.update_quantization_recipe(pattern, every, _op_config(rule), _algorithm(rule))
    if recipe.calibrated and not recipe.integer_io:
        for side in (TFLOperationName.INPUT, TFLOperationName.OUTPUT):
            tool.update_quantization_recipe("(?#io).*", side, None, "no_quantize")


def can_do(rule: Rule, kind: str) -> bool:
    """Whether the quantizer's policy has what the rule asks for, for ops that TFLite calls so."""
    from ai_edge_quantizer.algorithm_manager import check_op_quantization_config
    from ai_edge_quantizer.qtyping import TFLOperationName

    name = STAND_INS.get(kind, _OP_NAMES.get(kind, kind))
    if name not in TFLOperationName.__members__:
        return False
    try:
        check_op_quantization_config(_algorithm(rule), TFLOperationName[name], _op_config(rule))
    except ValueError:
        return False
    return True


def undivided(model: Any, rule: Rule) -> list[str]:
    """Names of the layers whose rows of weights the rule's blocks do not divide evenly.

    The quantizer fails on these, so that an earlier rule has to do.
    """
    block = rule.granularity.partition("-")[2]
    if not block:
        return []
    found = []
    for subgraph in model.subgraphs:
        for op in subgraph.operators:
            if op_kind(model, op) in _IN_BLOCKS:
                length = subgraph.tensors[op.inputs[1]].shape[-1]
                if length % int(block):
                    found.append(subgraph.tensors[op.outputs[0]].name.decode())
    return found


def scopes_by_kind(model: Any) -> dict[str, list[str]]:
    """The names that rules are searched in, of all ops, by kind."""
    found: dict[str, list[str]] = {}
    for subgraph in model.subgraphs:
        for op in subgraph.operators:
            names = (subgraph.tensors[index].name.decode() for index in op.outputs)
            scope = "".join(f"{name};" for name in names)
            found.setdefault(op_kind(model, op), []).append(scope)
    return found


def _inherited(model: Any, recipe: Recipe) -> dict[str, str]:
    """By scope, the width of ops that would only lose by the recipe's own."""
    if not any(rule.activations in _BITS for rule in recipe.rules):
        return {}

    def width_of(kind: str, scope: str) -> tuple[str, bool]:
        for rule in reversed(recipe.rules):
            if rule.matches(kind, scope) and (rule.weights == FLOAT or can_do(rule, kind)):
                width = rule.activations if rule.activations in _BITS else FLOAT
                return width, (rule.op, rule.layer) == ("*", EVERYTHING)
        return FLOAT, False

    width_of_io = width_of("INPUT", "")[0] if recipe.integer_io else FLOAT
    return inherited_widths(model, width_of, width_of_io)


def _exactly(scopes: list[str]) -> str:
    return f"^(?:{'|'.join(map(re.escape, scopes))})$"


def _all_but(names: list[str]) -> str:
    return f"^(?!.*(?:{'|'.join(map(re.escape, names))})).*" if names else ""


def _algorithm(rule: Rule) -> Any:
    from ai_edge_quantizer.algorithm_manager import AlgorithmName

    if rule.weights == "float32":
        return AlgorithmName.NO_QUANTIZE
    if rule.weights == "float16":
        return AlgorithmName.FLOAT_CASTING
    return AlgorithmName[_ALGORITHMS[rule.algorithm]]


def _op_config(rule: Rule) -> Any:
    """The rule in the quantizer's own terms; None for what stays float32."""
    from ai_edge_quantizer import qtyping

    if rule.weights == "float32":
        return None
    if rule.weights == "float16":
        return qtyping.OpQuantizationConfig(
            weight_tensor_config=qtyping.TensorQuantizationConfig(
                num_bits=16, dtype=qtyping.TensorDataType.FLOAT
            ),
            compute_precision=qtyping.ComputePrecision.FLOAT,
            explicit_dequantize=True,
        )
    granularity, _, block = rule.granularity.upper().partition("-")
    weights = qtyping.TensorQuantizationConfig(
        num_bits=_BITS[rule.weights],
        symmetric=True,  # the only ones that LiteRT's kernels know
        granularity=qtyping.QuantGranularity[f"{granularity}WISE" + (block and f"_{block}")],
    )
    measured = rule.activations in _BITS
    in_float = rule.activations == "float32"
    kinds = qtyping.ComputePrecision
    return qtyping.OpQuantizationConfig(
        activation_tensor_config=qtyping.TensorQuantizationConfig(
            num_bits=_BITS[rule.activations], symmetric=rule.activations == "int16"
        )
        if measured
        else None,
        weight_tensor_config=weights,
        compute_precision=kinds.FLOAT if in_float else kinds.INTEGER,
        explicit_dequantize=in_float,
    )


def _refuse_beyond_float16(float_model: Path) -> None:
    """The quantizer casts without a look, and such a weight would become infinite."""
    for constant in constants(read_flatbuffer(float_model)):
        if constant.values.dtype == np.float32 and constant.values.size:
            largest = float(max(constant.values.max(), -constant.values.min()))
            if largest > _FLOAT16_MAX:
                raise ConversionError(
                    f"'{constant.name}' holds {largest:.4g}, beyond FP16's {_FLOAT16_MAX:.0f}; "
                    "leave out fp16 or rescale the layer"
                )
