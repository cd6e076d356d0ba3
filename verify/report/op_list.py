"""The ops of a .tflite: how many of each kind, what they compute in, and each in order."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convert.quantization.coverage import in_words
from convert.quantization.op_widths import OpWidths, op_widths
from convert.tflite import read_flatbuffer
from verify.weight_map import WeightMap


@dataclass(frozen=True)
class OpKind:
    """All ops of one kind.

    Attributes:
        count: how many there are, `in_integers` of which take integers.
        weights: how their weights are stored, each way once.
        size_bytes: of the constants that they read.
    """

    kind: str
    count: int
    in_integers: int
    weights: str
    size_bytes: int


@dataclass(frozen=True)
class OpList:
    """The ops of one file, by kind, those with the most bytes first, and in order.

    Attributes:
        coverage: how many compute in integers; empty where the file was not meant to.
        left: what is in float all the same, with the reasons, as the file's card has them.
    """

    kinds: tuple[OpKind, ...]
    ops: tuple[OpWidths, ...]
    coverage: str = ""
    left: tuple[str, ...] = ()


def list_ops(path: Path, weights: WeightMap, told: Mapping[str, Any] | None = None) -> OpList:
    """The ops of a file, and what its card tells of their coverage.

    Raises:
        BadInputError: it is no .tflite, or a damaged one.
    """
    ops = tuple(op_widths(read_flatbuffer(path)))
    sizes = weights.by_op_kind()
    by_kind: defaultdict[str, list[OpWidths]] = defaultdict(list)
    for op in ops:
        by_kind[op.kind].append(op)
    kinds = [
        OpKind(
            kind,
            len(some),
            sum(op.integers for op in some),
            ", ".join(dict.fromkeys(op.weights for op in some if op.weights)),
            sizes.get(kind, 0),
        )
        for kind, some in by_kind.items()
    ]
    kinds.sort(key=lambda row: (-row.size_bytes, -row.count, row.kind))
    computing = [op for op in ops if op.role == "computes"]
    if not told:
        return OpList(tuple(kinds), ops)
    coverage = f"{sum(op.integers for op in computing)} of {len(computing)}"
    return OpList(tuple(kinds), ops, coverage, tuple(in_words(told)))
