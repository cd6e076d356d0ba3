"""What ops alone tell, each rule on an op that breaks it and on one that does not."""

from typing import Any

import numpy as np
import pytest

from verify.risks.graph import Op, Tensor
from verify.risks.rules import check_ops

_F32 = np.float32


def tensor(*shape: int, dtype: Any = _F32, constant: Any = None) -> Tensor:
    values = None if constant is None else np.asarray(constant)
    return Tensor(0, "a.B/c.Linear_head;", shape, dtype, values)


def constant(*shape: int, dtype: Any = _F32) -> Tensor:
    return tensor(*shape, dtype=dtype, constant=np.zeros(shape, dtype))


def kinds(kind: str, inputs: list[Tensor], output: Tensor) -> list[str]:
    return [item.kind for item in check_ops([Op(3, kind, tuple(inputs), (output,))])]


X = tensor(1, 8, 8, 4)


@pytest.mark.parametrize(
    ("kind", "inputs", "output", "found"),
    [
        ("BROADCAST_TO", [tensor(1, 4, 1, 4)], X, ["refused_op"]),
        ("GATHER_ND", [X], tensor(3, 4), ["refused_op"]),
        ("ERF", [X], X, ["refused_op"]),
        ("GELU", [X], X, []),
        ("RESHAPE", [X], tensor(1, 2, 2, 8, 8), ["rank_above_4"]),
        ("TANH", [tensor(-1, 8)], tensor(-1, 8), ["dynamic_shape"]),
        ("CAST", [tensor(4, dtype=np.int64)], tensor(4), ["wide_type"]),
        ("SLICE", [tensor(8, 8)], tensor(4, 8), ["slice_rank"]),
        ("SLICE", [tensor(2, 8, 8)], tensor(2, 4, 8), []),
        (
            "PAD",
            [tensor(2, 8, 8), tensor(3, 2, dtype=np.int32, constant=[[0, 0], [1, 0], [0, 0]])],
            tensor(2, 9, 8),
            ["pad_rank_3"],
        ),
        (
            "PAD",
            [tensor(2, 8, 8), tensor(3, 2, dtype=np.int32, constant=[[0, 0], [0, 0], [1, 0]])],
            tensor(2, 8, 9),
            [],
        ),
        ("ADD", [tensor(16, 4), constant(16, 4)], tensor(16, 4), ["constant_rank"]),
        ("ADD", [tensor(16, 4), constant(4)], tensor(16, 4), []),
        ("MUL", [X, constant(1, 1, 1, 4)], X, []),
        ("ADD", [tensor(16, 4), constant(1, 1, 16, 4)], tensor(1, 1, 16, 4), ["mixed_ranks"]),
        ("ADD", [tensor(20, 8, 8), tensor(1, 1, 8, 8)], tensor(1, 20, 8, 8), ["mixed_ranks"]),
        ("DIV", [tensor(1, 1, 4), tensor(1, 1, 1, 1)], tensor(1, 1, 1, 4), []),
        (
            "FULLY_CONNECTED",
            [tensor(2, 8, 4), constant(3, 4, dtype=np.int8)],
            tensor(2, 8, 3),
            ["integer_weights_rank_3"],
        ),
    ],
)
def test_each_rule(kind: str, inputs: list[Tensor], output: Tensor, found: list[str]) -> None:
    assert kinds(kind, inputs, output) == found


def test_a_finding_names_the_op_its_module_and_the_way_out() -> None:
    (found,) = check_ops([Op(3, "BROADCAST_TO", (tensor(1, 4, 1, 4),), (X,))])
    assert (found.op, found.module, found.severity) == ("#3 BROADCAST_TO", "head", "blocks")
    assert "issue 9191" in found.explanation
    assert "leave the size 1" in found.rewrite
