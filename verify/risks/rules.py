"""What a file's ops alone tell: those that a GPU delegate refuses, or computes wrongly.

The list of ops is that of the public delegate (tflite/tools/versioning/gpu_compatibility.cc of
LiteRT). The rules beyond it come from public issues and from running the delegate of
ai-edge-litert 2.3.0, and each says which.
"""

from collections.abc import Iterable, Iterator
from math import prod

import numpy as np

from verify.risks.findings import NO_REWRITE, Finding, Severity
from verify.risks.graph import Op, Tensor

_HIGHEST_RANK = 4
_TAKEN_NAMES = """
ABS ADD ADD_N ATAN2 AVERAGE_POOL_2D BATCH_MATMUL BITCAST CAST CEIL CONCATENATION CONV_2D COS
CUMSUM DENSIFY DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE DIV DYNAMIC_UPDATE_SLICE ELU
EMBEDDING_LOOKUP EQUAL EXP FLOOR FLOOR_DIV FLOOR_MOD FULLY_CONNECTED GATHER GELU GREATER
GREATER_EQUAL HARD_SWISH LEAKY_RELU LESS LESS_EQUAL LOG LOGICAL_AND LOGICAL_NOT LOGICAL_OR
LOGISTIC LSTM MAXIMUM MAX_POOL_2D MEAN MINIMUM MIRROR_PAD MUL NEG NOT_EQUAL ONE_HOT PACK PAD
PADV2 POW PRELU QUANTIZE REDUCE_ALL REDUCE_ANY REDUCE_MAX REDUCE_MIN REDUCE_PROD RELU RELU6
RELU_N1_TO_1 RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_V2 RIGHT_SHIFT ROUND RSQRT
SELECT SELECT_V2 SIGN SIN SLICE SOFTMAX SPACE_TO_DEPTH SPLIT SPLIT_V SQRT SQUARE
SQUARED_DIFFERENCE STABLEHLO_BROADCAST_IN_DIM STABLEHLO_CBRT STABLEHLO_CLAMP STABLEHLO_REMAINDER
STABLEHLO_SHIFT_LEFT STRIDED_SLICE SUB SUM TANH TILE TOPK_V2 TRANSPOSE TRANSPOSE_CONV
"""
_TAKEN = frozenset(_TAKEN_NAMES.split())
_REFUSED = {
    "BROADCAST_TO": (
        "is refused even at rank 4, as Tensor.expand makes it (LiteRT issue 9191)",
        "leave the size 1 in place for the next op to broadcast, or concatenate copies",
    ),
    "GATHER_ND": (
        "is refused, as indexing with tensors makes it (LiteRT issue 5197)",
        "slices and concatenations, or a product with a constant matrix of zeros and ones",
    ),
}
_ELEMENTWISE = frozenset(
    ("ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "POW", "SQUARED_DIFFERENCE")
)
_SLICED_RANKS = (3, 4)
_MATRIX = 2  # axes


def check_ops(ops: Iterable[Op]) -> Iterator[Finding]:
    """What the ops' kinds, types and shapes tell, op by op."""
    for op in ops:
        yield from _kind(op)
        yield from _shapes(op)
        yield from _types(op)
        if op.kind in _ELEMENTWISE:
            yield from _broadcast(op)


def _kind(op: Op) -> Iterator[Finding]:
    if op.kind in _REFUSED:
        words, rewrite = _REFUSED[op.kind]
        yield _finding("refused_op", "blocks", op, f"{op.kind} {words}", rewrite)
    elif op.kind not in _TAKEN:
        words = f"{op.kind} is not among the ops that the public GPU delegate takes"
        yield _finding("refused_op", "blocks", op, words)
    elif op.kind in {"SLICE", "STRIDED_SLICE"} and len(op.inputs[0].shape) not in _SLICED_RANKS:
        rank = len(op.inputs[0].shape)
        words = f"slices a tensor of rank {rank}; the GPU slices those of rank 3 and 4"
        yield _finding("slice_rank", "blocks", op, words, "reshape to rank 4 before the slice")
    elif op.kind == "PAD" and _pads_outside(op):
        words = (
            "pads a tensor of rank 3 along an axis other than its last, which a GPU delegate was "
            "seen to shift by one row (LiteRT issue 9272)"
        )
        yield _finding("pad_rank_3", "wrong", op, words, "reshape to rank 4 before the padding")


def _pads_outside(op: Op) -> bool:
    paddings = op.inputs[1].constant
    return len(op.inputs[0].shape) == _SLICED_RANKS[0] and (
        paddings is None or bool(np.any(paddings[:-1]))
    )


def _shapes(op: Op) -> Iterator[Finding]:
    for tensor in (*op.runtime_inputs, *op.outputs):
        rank = len(tensor.shape)
        if rank > _HIGHEST_RANK:
            yield _finding(
                "rank_above_4",
                "blocks",
                op,
                f"a tensor has {rank} axes; GPUs take {_HIGHEST_RANK} (LiteRT issue 2540)",
                "reshape, transpose and reshape again within 4 axes, one move at a time",
                tensor=tensor,
                rank=rank,
            )
            return
        if -1 in tensor.shape:
            words = "a size is open until it runs; the GPU compiles for fixed sizes"
            yield _finding(
                "dynamic_shape", "blocks", op, words, "convert with fixed shapes", tensor=tensor
            )
            return


def _types(op: Op) -> Iterator[Finding]:
    for tensor in (*op.runtime_inputs, *op.outputs):
        if tensor.dtype in (np.int64, np.float64):
            assert tensor.dtype is not None
            words = f"computes with {tensor.dtype.__name__}, which GPUs do not take"
            yield _finding("wide_type", "blocks", op, words, "32-bit types", tensor=tensor)
            return
    weights = [item for item in op.inputs[1:] if item.dtype is np.int8]
    if op.kind == "FULLY_CONNECTED" and weights and len(op.inputs[0].shape) == _SLICED_RANKS[0]:
        words = (
            "takes integer weights with an input of rank 3, for which a phone's kernel failed to "
            "build (LiteRT issue 9277)"
        )
        yield _finding("integer_weights_rank_3", "blocks", op, words, "reshape to rank 2 or 4")


def _broadcast(op: Op) -> Iterator[Finding]:
    """Operands of different ranks, or with rows that a constant of low rank does not tell apart."""
    if len(op.inputs) != 2:  # noqa: PLR2004 - operands
        return
    one, other = op.inputs
    for constant, moving in ((one, other), (other, one)):
        rows = prod(constant.shape[:-1])
        of_low_rank = _MATRIX <= len(constant.shape) < _HIGHEST_RANK
        if constant.constant is not None and moving.constant is None and of_low_rank and rows > 1:
            words = (
                f"takes a constant of rank {len(constant.shape)}, {list(constant.shape)}, whose "
                "rows the delegate of ai-edge-litert 2.3.0 lays along the wrong axis: it "
                "compiles, and answers wrongly"
            )
            rewrite = "give both operands four axes"
            yield _finding("constant_rank", "wrong", op, words, rewrite, tensor=constant)
            return
    low, high = sorted(op.inputs, key=lambda item: len(item.shape))
    if 1 < len(low.shape) < len(high.shape) and low.shape[0] != 1:
        words = (
            f"broadcasts {list(one.shape)} with {list(other.shape)}; GPU delegates align tensors "
            "of different ranks at their first axis (LiteRT issue 8980)"
        )
        yield _finding("mixed_ranks", "wrong", op, words, "give both operands four axes")


def _finding(
    kind: str,
    severity: Severity,
    op: Op,
    words: str,
    rewrite: str = NO_REWRITE,
    *,
    tensor: Tensor | None = None,
    rank: int | None = None,
) -> Finding:
    return Finding(
        kind=kind,
        severity=severity,
        op=op.label,
        tensor=(tensor or op.outputs[0]).name,
        module=op.module,
        explanation=words,
        rewrite=rewrite,
        value=rank,
        limit=None if rank is None else _HIGHEST_RANK,
    )
