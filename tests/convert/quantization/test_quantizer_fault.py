"""Kernels of any size are quantized, and as the quantizer would have done it."""

from typing import Any

import numpy as np
import pytest
from ai_edge_quantizer import qtyping
from ai_edge_quantizer.algorithms.uniform_quantize import uniform_quantize_tensor
from numpy.typing import NDArray

from convert.quantization import quantizer_fault
from convert.quantization.quantizer_fault import large_kernels_quantized, lowest_int4_avoided


def quantize(values: NDArray[np.float32], channels_at: int | None = 0) -> NDArray[np.int8]:
    """Symmetric int8, one scale per channel along an axis, or one for all."""
    axes = tuple(axis for axis in range(values.ndim) if axis != channels_at)
    scale = np.abs(values).max(axis=axes, keepdims=channels_at is None) / 127
    params = qtyping.UniformQuantParams(
        num_bits=8,
        quantized_dimension=channels_at,
        scale=scale,
        zero_point=np.zeros(scale.shape, dtype=np.int32),
        symmetric=True,
    )
    quantized: NDArray[np.int8] = uniform_quantize_tensor.uniform_quantize(values, params)
    return quantized


@pytest.fixture(scope="module")
def large() -> NDArray[np.float32]:
    """A kernel of 33 MiB; no two of its channels span the same range."""
    kernel = np.random.default_rng(0).standard_normal((2112, 2, 2, 1024), dtype=np.float32)
    kernel *= np.linspace(0.5, 2, len(kernel), dtype=np.float32).reshape(-1, 1, 1, 1)
    return kernel


def test_the_fault_is_still_there(large: NDArray[np.float32]) -> None:
    """When this fails the quantizer was mended: convert/quantization/quantizer_fault.py can go."""
    with pytest.raises(ValueError, match="more dimensions than allowed by the axis remapping"):
        quantize(large)


def test_a_large_kernel_is_quantized_channel_by_channel(large: NDArray[np.float32]) -> None:
    with large_kernels_quantized():
        quantized = quantize(large)
    scale = np.abs(large).max(axis=(1, 2, 3), keepdims=True) / 127
    assert quantized.dtype == np.int8
    assert np.array_equal(quantized, np.rint(large / scale))


def test_a_scale_along_another_axis_and_one_for_all_are_kept(large: NDArray[np.float32]) -> None:
    with large_kernels_quantized():
        last, whole = quantize(large, channels_at=3), quantize(large, channels_at=None)
    assert np.array_equal(last, np.rint(large / (np.abs(large).max(axis=(0, 1, 2)) / 127)))
    assert np.array_equal(whole, np.rint(large / (np.abs(large).max() / 127)))


def test_slices_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = np.random.default_rng(1).standard_normal((7, 3, 3, 5), dtype=np.float32)
    expected = quantize(kernel)
    original = uniform_quantize_tensor.uniform_quantize
    sliced = []

    def failing_on_large(values: NDArray[Any], *rest: Any) -> NDArray[Any]:
        if len(values) > 2:
            raise ValueError("too large")
        sliced.append(len(values))
        result: NDArray[Any] = original(values, *rest)
        return result

    monkeypatch.setattr(uniform_quantize_tensor, "uniform_quantize", failing_on_large)
    monkeypatch.setattr(quantizer_fault, "_QUANTIZED_AT_ONCE", kernel.nbytes * 2 // 7)
    with large_kernels_quantized():
        assert np.array_equal(quantize(kernel), expected)
    assert sliced == [2, 2, 2, 1]


def test_the_quantizers_other_refusals_are_passed_on() -> None:
    with large_kernels_quantized(), pytest.raises(ValueError, match="zero_points need to be"):
        uniform_quantize_tensor.uniform_quantize(
            np.zeros((2, 2), np.float32),
            qtyping.UniformQuantParams(8, 0, np.ones(2), np.zeros(2)),
        )


def test_integers_of_four_bits_end_where_every_kernel_can_take_them() -> None:
    params = qtyping.UniformQuantParams(
        4, 0, np.ones((1, 1), np.float32), np.zeros((1, 1), np.int32)
    )
    values = np.array([[-9, -7.6, 3, 9]], np.float32)
    assert uniform_quantize_tensor.uniform_quantize(values, params).tolist() == [[-8, -8, 3, 7]]
    with lowest_int4_avoided():
        mended = uniform_quantize_tensor.uniform_quantize(values, params)
    assert mended.tolist() == [[-7, -7, 3, 7]]
