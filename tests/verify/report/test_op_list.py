from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from verify.report.op_list import OpKind, OpList, list_ops
from verify.weight_map import weights_by_module

if TYPE_CHECKING:
    from tests.verify.conftest import HandMade

_FIRST = "a.Net/torch.nn.modules.linear.Linear_first"


@pytest.fixture
def mixed(tmp_path: Path, hand_made: "type[HandMade]") -> OpList:
    """A dense layer of int8 weights, one of widened float16 weights, and a reshape."""
    path = hand_made(
        {
            "x": (1, 4),
            f"{_FIRST};1": np.ones((6, 4), np.int8),
            "bias": np.zeros(6, np.float32),
            f"{_FIRST};": (1, 6),
            "half": np.ones((6, 6), np.float16),
            "widened": (6, 6),
            "second": (1, 6),
            "shape": np.array([6, 1], np.int32),
            "y": (6, 1),
        },
        [
            ("FULLY_CONNECTED", ["x", f"{_FIRST};1", "bias"], f"{_FIRST};"),
            ("DEQUANTIZE", ["half"], "widened"),
            ("FULLY_CONNECTED", [f"{_FIRST};", "widened"], "second"),
            ("RESHAPE", ["second", "shape"], "y"),
        ],
        scales={f"{_FIRST};1": [0.1] * 6},
    ).write(tmp_path / "mixed.tflite")
    return list_ops(path, weights_by_module(path))


def test_ops_are_listed_in_order_with_what_they_compute(mixed: OpList) -> None:
    assert [op.kind for op in mixed.ops] == [
        "FULLY_CONNECTED",
        "DEQUANTIZE",
        "FULLY_CONNECTED",
        "RESHAPE",
    ]
    assert [op.shape for op in mixed.ops] == [(1, 6), (6, 6), (1, 6), (6, 1)]
    assert [op.layer for op in mixed.ops] == ["first", "widened", "second", "y"]


def test_weights_are_told_as_they_are_stored_and_the_bias_is_not_them(mixed: OpList) -> None:
    assert [op.weights for op in mixed.ops] == [
        *("int8 per channel", "float16", "float16", ""),
    ]
    assert [op.integers for op in mixed.ops] == [True, False, False, False]


def test_kinds_are_counted_those_with_most_bytes_first(mixed: OpList) -> None:
    dense, reshape, widen = mixed.kinds
    scales = 6 * (4 + 8)
    assert dense == OpKind(
        "FULLY_CONNECTED", 2, 1, "int8 per channel, float16", 24 + scales + 24 + 72
    )
    assert reshape == OpKind("RESHAPE", 1, 0, "", 8)
    assert widen == OpKind("DEQUANTIZE", 1, 0, "float16", 0)
