"""Every precision other than float32, made from the float32 .tflite."""

from pathlib import Path

import numpy as np

from chunkport.errors import ConversionError
from convert.precision import Precision
from convert.quantizer_fault import large_kernels_quantized
from convert.tflite import constants, read_flatbuffer

_FLOAT16_MAX = float(np.finfo(np.float16).max)
# The pictures' resize stays exact: it is no layer that was trained, and in INT8 it would change a
# picture by more than one step of a byte. Names of tensors hold their module's class.
_LEFT_EXACT = ".*AntialiasedResize.*"


def quantize(float_model: Path, precision: Precision, target: Path) -> None:
    """Write `target` in that precision. Meant for a process of its own.

    Raises:
        ConversionError: a weight does not fit the precision, or the quantizer failed.
    """
    from ai_edge_quantizer import quantizer, recipe

    if precision.recipe is None:
        raise ConversionError(f"{precision.name} is the float32 file itself")
    tool = quantizer.Quantizer(str(float_model))
    if precision.recipe == "float_casting":
        _refuse_beyond_float16(float_model)
        tool.add_weight_only_config(
            ".*",
            quantizer.qtyping.TFLOperationName.ALL_SUPPORTED,
            num_bits=16,
            algorithm_key=quantizer.algorithm_manager.AlgorithmName.FLOAT_CASTING,
        )
    else:
        tool.load_quantization_recipe(getattr(recipe, precision.recipe)())
        for op in precision.float_ops:
            tool.update_quantization_recipe(
                ".*",
                getattr(quantizer.qtyping.TFLOperationName, op),
                algorithm_key=quantizer.algorithm_manager.AlgorithmName.NO_QUANTIZE,
            )
    tool.update_quantization_recipe(
        _LEFT_EXACT,
        quantizer.qtyping.TFLOperationName.ALL_SUPPORTED,
        algorithm_key=quantizer.algorithm_manager.AlgorithmName.NO_QUANTIZE,
    )
    try:
        with large_kernels_quantized():
            # To the file as it is made: a copy of the whole would not fit beside the largest.
            tool.quantize(serialize_to_path=str(target))
    except (RuntimeError, ValueError) as error:
        raise ConversionError(
            f"ai-edge-quantizer could not make {precision.name}: {error}"
        ) from error


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
