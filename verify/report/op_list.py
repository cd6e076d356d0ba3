"""The ops of a .tflite: how many of each kind, how they store their weights, and each in order."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convert.tensor_names import module_path
from convert.tflite import op_kind, read_flatbuffer
from verify.weight_map import WeightMap

_FLOATS = {"FLOAT32", "FLOAT16", "FLOAT64"}


@dataclass(frozen=True)
class Op:
    """One op, in the order in which they run.

    Attributes:
        kind: the schema's name of what it does.
        module: the wrapper's module that it came from, as far as its name tells.
        weights: how its largest constant is stored; empty for one without.
        shape: of what it computes.
        quantised: whether it reads quantised weights or values.
    """

    kind: str
    module: str
    weights: str
    shape: tuple[int, ...]
    quantised: bool


@dataclass(frozen=True)
class OpKind:
    """All ops of one kind.

    Attributes:
        count: how many there are, `quantised` of which read quantised weights or values.
        weights: how their weights are stored, each way once.
        size_bytes: of the constants that they read.
    """

    kind: str
    count: int
    quantised: int
    weights: str
    size_bytes: int


@dataclass(frozen=True)
class OpList:
    """The ops of one file, by kind, those with the most bytes first, and in order."""

    kinds: tuple[OpKind, ...]
    ops: tuple[Op, ...]


def list_ops(path: Path, weights: WeightMap) -> OpList:
    """The ops of the main subgraph.

    Raises:
        BadInputError: it is no .tflite, or a damaged one.
    """
    ops = tuple(_ops(read_flatbuffer(path)))
    sizes = weights.by_op_kind()
    by_kind: defaultdict[str, list[Op]] = defaultdict(list)
    for op in ops:
        by_kind[op.kind].append(op)
    kinds = [
        OpKind(
            kind,
            len(some),
            sum(op.quantised for op in some),
            ", ".join(dict.fromkeys(op.weights for op in some if op.weights)),
            sizes.get(kind, 0),
        )
        for kind, some in by_kind.items()
    ]
    kinds.sort(key=lambda row: (-row.size_bytes, -row.count, row.kind))
    return OpList(tuple(kinds), ops)


def _ops(model: Any) -> Iterator[Op]:
    graph = model.subgraphs[0]
    stored = {  # weights by the tensors that hold them: how they are kept, and in how many bytes
        index: (_bytes_of(model, tensor), _dtype(tensor).lower())
        for index, tensor in enumerate(graph.tensors)
        if _is_weight(model, tensor)
    }
    for op in graph.operators:
        kind = op_kind(model, op)
        inputs = [int(index) for index in op.inputs if index >= 0]
        read = [stored[index] for index in inputs if index in stored]
        if kind == "DEQUANTIZE" and read:  # whoever reads its output reads these weights
            stored[int(op.outputs[0])] = read[0]
        output = graph.tensors[op.outputs[0]]
        yield Op(
            kind=kind,
            module=".".join(module_path(output.name.decode(errors="replace")) or ()),
            weights=max(read)[1] if read else "",
            shape=() if output.shape is None else tuple(int(size) for size in output.shape),
            quantised=any(_is_quantised(graph.tensors[index]) for index in inputs),
        )


def _is_weight(model: Any, tensor: Any) -> bool:
    """Whether its values lie in the file and are not the few integers of a shape or an axis."""
    return _bytes_of(model, tensor) > 0 and (_dtype(tensor) in _FLOATS or _is_quantised(tensor))


def _bytes_of(model: Any, tensor: Any) -> int:
    data = model.buffers[tensor.buffer].data
    return 0 if data is None else len(data)


def _is_quantised(tensor: Any) -> bool:
    """Whether it holds integers that stand for other numbers, by their scales."""
    scales = None if tensor.quantization is None else tensor.quantization.scale
    return scales is not None and len(scales) > 0 and _dtype(tensor) not in _FLOATS


def _dtype(tensor: Any) -> str:
    from ai_edge_litert.tools import flatbuffer_utils

    return str(flatbuffer_utils.type_to_name(tensor.type))
