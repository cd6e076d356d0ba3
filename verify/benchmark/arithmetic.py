"""How much arithmetic one run takes: the multiplications and additions of its matrix products.

A product of n terms counts 2n, as PyTorch's FlopCounterMode has it: taps on padding count, and
what is done to each value by itself does not. In an int8 file they are operations on integers.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convert.tflite import op_kind, read_flatbuffer

if TYPE_CHECKING:
    from torch import nn

    from wrappers.spec import Arrays, ModelSpec


def flop_per_op(path: Path) -> list[int]:
    """Of each op of the file's main subgraph, in the order in which it stores them.

    Raises:
        BadInputError: it is no .tflite, or a damaged one.
    """
    model = read_flatbuffer(path)
    graph = model.subgraphs[0]
    return [_flop(model, graph.tensors, op) for op in graph.operators]


def network_flop(spec: "ModelSpec", network: "nn.Module", inputs: "Arrays") -> int:
    """Of the network on these inputs, as PyTorch counts it."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        spec.reference(network, inputs)
    return int(counter.get_total_flops())


def _flop(model: Any, tensors: Any, op: Any) -> int:
    count = _COUNTS.get(op_kind(model, op))
    if count is None:
        return 0
    shapes = [tuple(map(int, tensors[at].shape)) for at in (*op.inputs, *op.outputs) if at >= 0]
    return 2 * count(op, shapes)


def _convolution(_op: Any, shapes: list[tuple[int, ...]]) -> int:
    """Weights (O, kh, kw, I of one group): each value of the output sums kh x kw x I products."""
    return math.prod(shapes[-1]) * math.prod(shapes[1][1:])


def _depthwise(_op: Any, shapes: list[tuple[int, ...]]) -> int:
    """Weights (1, kh, kw, O)."""
    return math.prod(shapes[-1]) * math.prod(shapes[1][1:3])


def _transposed(_op: Any, shapes: list[tuple[int, ...]]) -> int:
    """Inputs: output shape, weights (O, kh, kw, I), values; each value goes to kh x kw x O."""
    return math.prod(shapes[2]) * math.prod(shapes[1][:3])


def _dense(_op: Any, shapes: list[tuple[int, ...]]) -> int:
    """Weights (O, I)."""
    return math.prod(shapes[0]) * shapes[1][0]


def _matrix_product(op: Any, shapes: list[tuple[int, ...]]) -> int:
    """(..., M, K) by (..., K, N); either may lie transposed."""
    transposed = op.builtinOptions is not None and op.builtinOptions.adjX
    return math.prod(shapes[-1]) * shapes[0][-2 if transposed else -1]


_COUNTS: dict[str, Callable[[Any, list[tuple[int, ...]]], int]] = {
    "CONV_2D": _convolution,
    "CONV_3D": lambda _op, shapes: math.prod(shapes[-1]) * math.prod(shapes[1][:4]),
    "DEPTHWISE_CONV_2D": _depthwise,
    "TRANSPOSE_CONV": _transposed,
    "FULLY_CONNECTED": _dense,
    "BATCH_MATMUL": _matrix_product,
}
