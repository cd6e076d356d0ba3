"""Layers are found again in a file, whatever its weights are."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from convert.stored.constants import StoredConstant
from verify.layers.file_ops import FileOp, StoredWeight
from verify.layers.pairing import pair
from verify.layers.wrapper_run import CallWeight, WeightedCall

Values = NDArray[np.float32]


def noise(seed: int, *shape: int) -> Values:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def call(index: int, shape: tuple[int, ...], **weights: Values) -> WeightedCall:
    taken = tuple(CallWeight(name, torch.from_numpy(values)) for name, values in weights.items())
    return WeightedCall(index, "linear", taken, shape)


def op(index: int, shape: tuple[int, ...], *weights: Values) -> FileOp:
    stored = tuple(
        StoredWeight(
            f"{index}.{place}", values.shape, StoredConstant(values.reshape(-1), values.size, 32)
        )
        for place, values in enumerate(weights)
    )
    return FileOp(index, "FULLY_CONNECTED", stored, 100 + index, shape, None)


A, B, C = (noise(seed, 4, 4) for seed in (1, 2, 3))
BIAS = noise(4, 4)


@pytest.mark.parametrize("stored", [(A, B, C), (A, noise(9, 4, 4), C), (noise(8, 4, 4), B, C)])
def test_layers_of_one_shape_keep_their_places(stored: tuple[Values, ...]) -> None:
    calls = [call(place, (1, 4), **{name: values}) for place, (name, values) in
             enumerate([("a", A), ("b", B), ("c", C)])]  # fmt: skip
    points = pair(calls, [op(place, (1, 4), values) for place, values in enumerate(stored)])
    assert [point.op.index for point in points if point.op] == [0, 1, 2]


def test_values_decide_where_shapes_leave_a_choice() -> None:
    calls = [call(0, (1, 4), a=A), call(1, (1, 4), c=C)]
    points = pair(calls, [op(0, (1, 4), A), op(1, (1, 4), B), op(2, (1, 4), C)])
    assert [point.op.index for point in points if point.op] == [0, 2]


def test_constants_that_are_no_weights_are_passed_over() -> None:
    scalar = np.array(0.5, np.float32)
    calls = [call(0, (1, 4), a=A, bias=BIAS)]
    (point,) = pair(calls, [op(0, (1, 4), scalar), op(1, (1, 4), A, BIAS), op(2, (1, 4), scalar)])
    assert point.op is not None
    assert point.op.index == 1
    assert [item.wanted.name for item in point.weights] == ["a", "bias"]


def test_an_op_that_does_what_two_operations_do_stands_at_the_last() -> None:
    calls = [call(0, (1, 4), a=A), call(1, (1, 4), bias=BIAS)]
    (point,) = pair(calls, [op(0, (1, 4), A, BIAS)])
    assert point.call.index == 1
    assert [item.wanted.name for item in point.weights] == ["a", "bias"]


def test_an_operation_of_several_ops_ends_with_the_last() -> None:
    scale, shift = noise(5, 4), noise(6, 4)
    calls = [call(0, (2, 4), scale=scale, shift=shift)]
    (point,) = pair(calls, [op(0, (2, 4), scale), op(1, (2, 4), shift)])
    assert point.op is not None
    assert point.op.index == 1
    assert [item.wanted.name for item in point.weights] == ["scale", "shift"]


def test_what_no_op_takes_is_kept_without_one() -> None:
    scale = noise(5, 7)
    first, second = pair([call(0, (2, 7), scale=scale), call(1, (1, 4), a=A)], [op(0, (1, 4), A)])
    assert first.op is None
    assert second.op is not None


def test_the_order_of_axes_is_found() -> None:
    kernel = noise(7, 6, 3, 2, 5)  # as PyTorch has it
    (point,) = pair(
        [call(0, (1, 6, 8, 8), kernel=kernel)],
        [op(0, (1, 8, 8, 6), np.ascontiguousarray(kernel.transpose(0, 2, 3, 1)))],
    )
    assert point.weights[0].order == (0, 2, 3, 1)
