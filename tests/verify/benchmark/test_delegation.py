"""Which ops XNNPACK takes is read off the loaded file, and agrees with the runtime's own word."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from verify.benchmark.delegation import delegation
from verify.runtimes.litert import LiteRtSession, wholly_on_xnnpack

if TYPE_CHECKING:
    from tests.verify.conftest import HandMade


def dense(hand_made: "type[HandMade]", middle: str) -> "HandMade":
    """Two dense layers of 16 and another op between them."""
    weights, bias = np.eye(16, dtype=np.float32), np.zeros(16, np.float32)
    return hand_made(
        {"x": (1, 16), "w": weights, "b": bias, "a": (1, 16), "m": (1, 16), "y": (1, 16)},
        [
            ("FULLY_CONNECTED", ["x", "w", "b"], "a"),
            (middle, ["a"], "m"),
            ("FULLY_CONNECTED", ["m", "w", "b"], "y"),
        ],
    )


def test_a_file_that_xnnpack_takes_is_one_piece(
    tmp_path: Path, hand_made: "type[HandMade]"
) -> None:
    path = dense(hand_made, "TANH").write(tmp_path / "whole.tflite")
    found = delegation(path, LiteRtSession(path, 1))
    assert (found.ops, found.ops_on_xnnpack, found.partitions, found.left) == (3, 3, 1, {})
    assert found.flop == found.flop_on_xnnpack == 2 * 2 * 16 * 16
    assert wholly_on_xnnpack(path)


def test_an_op_that_it_leaves_is_named_and_cuts_the_file_in_two(
    tmp_path: Path, hand_made: "type[HandMade]"
) -> None:
    path = dense(hand_made, "LOG_SOFTMAX").write(tmp_path / "cut.tflite")
    found = delegation(path, LiteRtSession(path, 1))
    assert (found.ops, found.ops_on_xnnpack, found.partitions) == (3, 2, 2)
    assert found.left == {"LOG_SOFTMAX": 1}
    assert found.flop == found.flop_on_xnnpack == 2 * 2 * 16 * 16
    assert not wholly_on_xnnpack(path)


def test_arithmetic_that_it_leaves_is_counted(tmp_path: Path, hand_made: "type[HandMade]") -> None:
    path = hand_made(
        {"x": (1, 4, 4, 4), "y": (1, 4, 4, 4), "t": (1, 4, 4, 4)},
        [("TANH", ["x"], "t"), ("BATCH_MATMUL", ["t", "t"], "y")],
    ).write(tmp_path / "a.tflite")
    without = LiteRtSession(path, 1, xnnpack=False)
    found = delegation(path, without)
    assert (found.ops_on_xnnpack, found.partitions) == (0, 0)
    assert (found.flop, found.flop_on_xnnpack) == (2 * 4 * 4 * 4 * 4, 0)
    assert found.left == {"BATCH_MATMUL": 1, "TANH": 1}


@pytest.mark.integration
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8-dynamic"])
def test_a_converted_generator_is_taken_whole(
    generator_tflites: dict[str, Path], precision: str
) -> None:
    path = generator_tflites[precision]
    found = delegation(path, LiteRtSession(path, 1))
    assert (found.ops_on_xnnpack == found.ops) == wholly_on_xnnpack(path) is True
