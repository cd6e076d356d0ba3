"""What takes up the bytes of a .tflite: its constants by module, by op and by dtype.

Every byte of the file is counted once, so that the sum is the file's size.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from convert.tensor_names import module_path
from convert.tflite import op_kind, read_flatbuffer

UNUSED = "no op"
_FLOAT_BYTES, _INT64_BYTES = 4, 8


@dataclass(frozen=True)
class WeightPart:
    """One constant of the file.

    Attributes:
        name: of its first tensor.
        module: the attributes that lead to it from the wrapper's root, outermost first; empty
            where it belongs to the root, or where no name tells.
        op_kind: of the first op that reads it, DEQUANTIZE looked through; `UNUSED` where none.
        dtype: as it is stored, in the schema's terms, such as FLOAT16.
        values_bytes: of the values.
        scale_bytes: of the quantisation scales and zero points, which are kept apart from them.
        tensors: how many share the values; they count once.
    """

    name: str
    module: tuple[str, ...]
    op_kind: str
    dtype: str
    values_bytes: int
    scale_bytes: int
    tensors: int

    @property
    def size_bytes(self) -> int:
        """All that the file spends on it."""
        return self.values_bytes + self.scale_bytes


@dataclass(frozen=True)
class WeightMap:
    """A file's bytes: those of its constants, and the rest by what it is.

    Attributes:
        size_bytes: of the file; the parts and the rest add up to it.
        parts: in the order in which the ops read them.
        rest: bytes by "metadata" (the card), "tensor names" and "structure" (ops, shapes,
            padding).
    """

    size_bytes: int
    parts: tuple[WeightPart, ...]
    rest: Mapping[str, int]

    def by_op_kind(self) -> dict[str, int]:
        """Bytes of constants by the kind of op that reads them, the most first."""
        return _summed((part.op_kind, part.size_bytes) for part in self.parts)

    def by_dtype(self) -> dict[str, int]:
        """Bytes of constants by how they are stored, the most first."""
        return _summed((part.dtype, part.size_bytes) for part in self.parts)


@dataclass(frozen=True)
class ModuleBytes:
    """A module in the tree of them.

    Attributes:
        name: its attribute in the module around it; "" for the root.
        size_bytes: of its own constants and of all modules inside.
        parts: its own constants.
        children: the modules inside, the largest first.
    """

    name: str
    size_bytes: int
    parts: tuple[WeightPart, ...]
    children: tuple["ModuleBytes", ...]


def weights_by_module(path: Path) -> WeightMap:
    """Account for every byte of the file.

    Raises:
        BadInputError: it is no .tflite, or a damaged one.
    """
    model = read_flatbuffer(path)
    size_bytes = path.stat().st_size
    parts = tuple(_parts(model))
    metadata = sum(_length(model.buffers[entry.buffer].data) for entry in model.metadata or [])
    names = sum(map(len, {tensor.name for graph in model.subgraphs for tensor in graph.tensors}))
    constants = sum(part.size_bytes for part in parts)
    rest = {
        "metadata": metadata,
        "tensor names": names,
        "structure": size_bytes - constants - metadata - names,
    }
    return WeightMap(size_bytes, parts, rest)


def module_tree(parts: tuple[WeightPart, ...], name: str = "", depth: int = 0) -> ModuleBytes:
    """The parts as a tree of modules, `depth` of whose names have been followed."""
    inside: dict[str, list[WeightPart]] = {}
    for part in parts:
        if len(part.module) > depth:
            inside.setdefault(part.module[depth], []).append(part)
    children = [module_tree(tuple(some), key, depth + 1) for key, some in inside.items()]
    return ModuleBytes(
        name,
        sum(part.size_bytes for part in parts),
        tuple(part for part in parts if len(part.module) == depth),
        tuple(sorted(children, key=lambda child: -child.size_bytes)),
    )


def _parts(model: Any) -> Iterator[WeightPart]:
    """Every buffer that a tensor has for its values, by the first op that reads it."""
    from ai_edge_litert.tools import flatbuffer_utils

    kept = {entry.buffer for entry in model.metadata or []}
    # A block's scales are a tensor of their own, which no op reads.
    scales = {
        graph.tensors[blocks].buffer
        for graph in model.subgraphs
        for blocks in map(_block_scales, graph.tensors)
        if blocks is not None
    }
    sharing: Counter[int] = Counter(
        tensor.buffer for graph in model.subgraphs for tensor in graph.tensors
    )
    seen = kept | scales
    counted: set[int] = set()
    for tensor, reader, graph in _in_order_of_use(model):
        values_bytes = _length(model.buffers[tensor.buffer].data)
        if tensor.buffer in seen or values_bytes == 0:
            continue
        seen.add(tensor.buffer)
        name = tensor.name.decode(errors="replace")
        names = [name]
        if reader is not None:
            names += [graph.tensors[at].name.decode(errors="replace") for at in reader.outputs]
        paths = [path for path in map(module_path, names) if path is not None]
        yield WeightPart(
            name=name,
            module=paths[0] if paths else (),
            op_kind=UNUSED if reader is None else op_kind(model, reader),
            dtype=str(flatbuffer_utils.type_to_name(tensor.type)),
            values_bytes=values_bytes,
            scale_bytes=_scale_bytes(model, graph, tensor, counted),
            tensors=sharing[tensor.buffer],
        )


def _in_order_of_use(model: Any) -> Iterator[tuple[Any, Any, Any]]:
    """(tensor, the op that reads it or None, its subgraph); a tensor comes once per reading."""
    for graph in model.subgraphs:
        readers: dict[int, list[Any]] = {}
        for op in graph.operators:
            for index in op.inputs:
                readers.setdefault(int(index), []).append(op)
        for op in graph.operators:
            widens = op_kind(model, op) == "DEQUANTIZE"
            after = readers.get(int(op.outputs[0]), []) if widens else []
            for index in op.inputs:
                if index >= 0:  # -1 stands for an optional input that is left out
                    yield graph.tensors[index], after[0] if after else op, graph
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            yield tensor, None, graph


def _scale_bytes(model: Any, graph: Any, tensor: Any, counted: set[int]) -> int:
    """Of its scales and zero points; those of blocks count for the first that has them."""
    quantization = tensor.quantization
    if quantization is None:
        return 0
    if (blocks := _block_scales(tensor)) is not None:
        buffer = graph.tensors[blocks].buffer
        first = buffer not in counted
        counted.add(buffer)
        return _length(model.buffers[buffer].data) if first else 0
    scales, zeros = _length(quantization.scale), _length(quantization.zeroPoint)
    return scales * _FLOAT_BYTES + zeros * _INT64_BYTES


def _block_scales(tensor: Any) -> int | None:
    """The index of the tensor that holds a tensor's scales, where they are by block."""
    details = None if tensor.quantization is None else tensor.quantization.details
    return None if details is None or not hasattr(details, "blockSize") else int(details.scales)


def _length(values: Any) -> int:
    return 0 if values is None else len(np.asarray(values))


def _summed(pairs: Iterator[tuple[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for key, size_bytes in pairs:
        total[key] += size_bytes
    return dict(total.most_common())
