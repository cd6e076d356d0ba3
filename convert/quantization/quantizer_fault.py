"""Faults of ai-edge-quantizer, mended while they last.

It fails on large convolution kernels, and clips to the integer -8, which not every kernel can take.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from convert.stored.int4 import HIGHEST

_QUANTIZED_AT_ONCE = 32 << 20  # bytes beyond which the quantizer takes a weight apart by itself
_FLAT_RANK = 2
_INT4_BITS = 4


@contextmanager
def large_kernels_quantized() -> Iterator[None]:
    """Keep ai-edge-quantizer from failing on weights of rank 3 and more beyond 32 MiB.

    It flattens them to rows of the last axis and then cannot spread a scale per channel over
    these. Only a weight on which it fails is quantized here, in slices small enough for it.
    """
    from ai_edge_quantizer.algorithms.uniform_quantize import uniform_quantize_tensor

    original = uniform_quantize_tensor.uniform_quantize
    mended = partial(_quantize_in_slices, original)
    with patch.object(uniform_quantize_tensor, "uniform_quantize", mended):
        yield


@contextmanager
def lowest_int4_avoided() -> Iterator[None]:
    """Keep integers of four bits within -7 and 7.

    LiteRT's own kernels, which compute where XNNPACK does not, take -8 for something else. The
    quantizer writes it where a clipping algorithm cuts a weight.
    """
    from ai_edge_quantizer.algorithms.uniform_quantize import uniform_quantize_tensor

    original = uniform_quantize_tensor.uniform_quantize

    def symmetric(
        tensor_data: NDArray[Any],
        quantization_params: Any,
        is_blockwise_quant: bool = False,  # noqa: FBT001, FBT002  # the quantizer's own signature
    ) -> NDArray[Any]:
        quantized: NDArray[Any] = original(tensor_data, quantization_params, is_blockwise_quant)
        if quantization_params.num_bits == _INT4_BITS:
            quantized = np.maximum(quantized, -HIGHEST)
        return quantized

    with patch.object(uniform_quantize_tensor, "uniform_quantize", symmetric):
        yield


def _quantize_in_slices(
    original: Callable[..., NDArray[Any]],
    tensor_data: NDArray[Any],
    quantization_params: Any,
    is_blockwise_quant: bool = False,  # noqa: FBT001, FBT002  # the quantizer's own signature
) -> NDArray[Any]:
    try:
        return original(tensor_data, quantization_params, is_blockwise_quant)
    except ValueError:
        if is_blockwise_quant or tensor_data.ndim <= _FLAT_RANK or len(tensor_data) <= 1:
            raise
        step = _QUANTIZED_AT_ONCE * len(tensor_data) // tensor_data.nbytes
        if not 0 < step < len(tensor_data):
            raise
    from ai_edge_quantizer.algorithms.uniform_quantize import uniform_quantize_tensor

    # Of the tensor's rank, so that a scale per channel can be cut along with the channels.
    params = uniform_quantize_tensor.fix_quantization_params_rank(tensor_data, quantization_params)
    quantized: NDArray[Any] | None = None
    for first in range(0, len(tensor_data), step):
        rows = slice(first, first + step)
        part = original(
            tensor_data[rows],
            replace(
                params, scale=_cut(params.scale, rows), zero_point=_cut(params.zero_point, rows)
            ),
        )
        if quantized is None:
            quantized = np.empty(tensor_data.shape, part.dtype)
        quantized[rows] = part
    assert quantized is not None
    return quantized


def _cut(per_channel: NDArray[Any], rows: slice) -> NDArray[Any]:
    return per_channel if len(per_channel) == 1 else per_channel[rows]
