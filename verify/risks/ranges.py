"""What the values of each tensor are on samples, held to what float16 can hold.

A sum that is lost only when added one by one counts as wrong too: which order a phone takes is its
driver's affair.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from verify.risks.findings import NO_REWRITE, Finding
from verify.risks.graph import Op
from verify.risks.half_sums import LARGEST_HALF, sum_in_half
from verify.risks.plain_run import PlainRun

if TYPE_CHECKING:
    from wrappers.spec import Arrays

NEAR = 0.5  # of the largest float16: another input may well pass it
LARGEST_SUM_ERROR = 2**-5  # of the terms' RMS: five right bits of eleven
_SCALE_FIRST = (
    "divide before the square: by a power of two, exactly, and multiply back; or in a norm by the "
    "largest magnitude, which it takes out again"
)
_SPLIT = "a mean over one axis and then over the other"
_SMALLEST = 2.0**-24  # the smallest float16 above 0
_DIVISORS = {"RSQRT": 0, "LOG": 0, "DIV": 1}  # op to the input that must not become 0


def check_values(
    path: Path,
    ops: Sequence[Op],
    inputs: "Sequence[Arrays]",
    on_sample: Callable[[], None] = lambda: None,
) -> list[Finding]:
    """Run the file on samples, one at a time, and keep the worst finding of each kind and op.

    Raises:
        ValueError, RuntimeError: the interpreter refuses the file.
    """
    run = PlainRun(path)
    worst: dict[tuple[str, str], Finding] = {}
    makers = {tensor.index: op for op in ops for tensor in op.outputs}
    for sample, item in enumerate(inputs):
        run.run(item)
        for op in ops:
            for finding in _of_op(op, run, makers):
                key = finding.kind, finding.op
                held = worst.get(key)
                if held is None or (finding.value or 0) > (held.value or 0):
                    worst[key] = replace(finding, sample=sample)
        on_sample()
    return [worst[key] for key in sorted(worst, key=lambda key: int(key[1].split()[0][1:]))]


def _of_op(op: Op, run: PlainRun, makers: dict[int, Op]) -> Iterator[Finding]:
    if not op.outputs or not op.outputs[0].floating:
        return
    largest = float(np.abs(run.values(op.outputs[0])).max(initial=0))
    if largest > LARGEST_HALF:
        words = f"its values reach {largest:.4g}, which float16 cannot hold"
        yield _finding("overflow", op, words, _overflow_rewrite(op), value=largest)
    elif largest > NEAR * LARGEST_HALF:
        words = f"its values reach {largest:.4g}, near the end of float16; other inputs may pass it"
        yield _finding("near_overflow", op, words, _overflow_rewrite(op), value=largest)
    if op.kind in {"SUM", "MEAN"}:
        yield from _of_sum(op, run, makers)
    elif op.kind in {"FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D"}:
        yield from _of_products(op, run)
    elif op.kind in _DIVISORS:
        yield from _of_divisor(op, run)


def _of_sum(op: Op, run: PlainRun, makers: dict[int, Op]) -> Iterator[Finding]:
    axes = op.inputs[1].constant
    if axes is None or not op.inputs[0].floating:
        return
    found = sum_in_half(run.values(op.inputs[0]), tuple(int(axis) for axis in axes.reshape(-1)))
    squares = _squares(makers.get(op.inputs[0].index))
    what = "sum of squares" if squares else "sum"
    rewrite = f"{_SCALE_FIRST}; {_SPLIT}" if squares else _SPLIT
    if found.largest > LARGEST_HALF:
        words = (
            f"its {what} over {found.extent} terms reaches {found.largest:.4g}; a GPU keeps the "
            "sum in float16, also of a mean"
        )
        yield _finding("sum_overflow", op, words, rewrite, value=found.largest)
    elif found.sequential_error > LARGEST_SUM_ERROR:
        words = (
            f"a {what} over {found.extent} terms: where a GPU adds them one by one in float16, "
            f"{found.bits_kept:.1f} of 11 bits are right (in pairs the error is "
            f"{found.pairwise_error:.2g})"
        )
        yield _finding(
            "long_sum", op, words, rewrite, value=found.sequential_error, limit=LARGEST_SUM_ERROR
        )


def _squares(op: Op | None) -> bool:
    if op is None:
        return False
    twice = op.kind == "MUL" and len({item.index for item in op.inputs}) == 1
    return twice or op.kind in {"SQUARE", "SQUARED_DIFFERENCE"}


def _of_products(op: Op, run: PlainRun) -> Iterator[Finding]:
    """Whether a partial sum of products could overflow although no result does."""
    weight = op.inputs[1].constant
    if weight is None or not op.inputs[1].floating:
        return
    x = run.values(op.inputs[0])
    axes = tuple(range(3)) if op.kind == "DEPTHWISE_CONV_2D" else tuple(range(1, weight.ndim))
    bound = float(np.abs(x).max(initial=0)) * float(np.abs(weight).sum(axis=axes).max(initial=0))
    if bound > LARGEST_HALF and op.kind == "FULLY_CONNECTED":
        rows = np.abs(x.reshape(-1, weight.shape[1]))
        bound = float((rows @ np.abs(weight).T).max(initial=0))
    if bound > LARGEST_HALF:
        words = (
            f"the magnitudes of its products add up to {bound:.4g}: a partial sum in float16 could "
            "overflow"
        )
        rewrite = "weights divided by a power of two, and the result multiplied by it"
        yield _finding("partial_sum", op, words, rewrite, value=bound)


def _of_divisor(op: Op, run: PlainRun) -> Iterator[Finding]:
    divisor = op.inputs[_DIVISORS[op.kind]]
    values = np.abs(run.values(divisor))
    least = float(values[values > 0].min(initial=np.inf))
    if least < _SMALLEST / 2:  # rounds to 0
        words = f"is given {least:.3g}, which is 0 in float16; the result is infinite"
        yield Finding(
            kind="underflow",
            severity="wrong",
            op=op.label,
            tensor=divisor.name,
            module=op.module,
            explanation=words,
            rewrite="multiply by a power of two first",
            value=_SMALLEST / least,
            limit=2.0,
        )


def _overflow_rewrite(op: Op) -> str:
    if op.kind in {"MUL", "SQUARE", "SQUARED_DIFFERENCE"}:
        return _SCALE_FIRST
    if op.kind in {"SUM", "MEAN"}:
        return _SPLIT
    if op.kind in {"FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D"}:
        return "weights divided by a power of two, where a norm follows that takes it out again"
    return NO_REWRITE


def _finding(
    kind: str, op: Op, words: str, rewrite: str, *, value: float, limit: float = LARGEST_HALF
) -> Finding:
    return Finding(
        kind=kind,
        severity="wrong",
        op=op.label,
        tensor=op.outputs[0].name,
        module=op.module,
        explanation=words,
        rewrite=rewrite,
        value=value,
        limit=limit,
    )
