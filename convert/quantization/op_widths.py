"""What each op of a .tflite keeps its weights in and computes with, as the file itself says it.

The quantizer skips in silence what it cannot do; this is where that shows.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from convert.tensor_names import module_path
from convert.tflite import op_kind

Role = Literal["computes", "moves", "converts"]

# Where the ops that multiply by weights have them among their inputs; their biases are no weights.
WEIGHT_AT: Mapping[str, int] = {
    "FULLY_CONNECTED": 1,
    "CONV_2D": 1,
    "DEPTHWISE_CONV_2D": 1,
    "TRANSPOSE_CONV": 1,
    "CONV_3D": 1,
    "BATCH_MATMUL": 1,
    "EMBEDDING_LOOKUP": 1,
}
# They put values elsewhere and change none of them.
# fmt: off
MOVING = frozenset((
    "RESHAPE", "TRANSPOSE", "CONCATENATION", "SLICE", "STRIDED_SLICE", "DYNAMIC_UPDATE_SLICE",
    "PAD", "PADV2", "MIRROR_PAD", "GATHER", "GATHER_ND", "SPLIT", "SPLIT_V", "PACK", "UNPACK",
    "SQUEEZE", "EXPAND_DIMS", "TILE", "BROADCAST_TO", "REVERSE_V2", "SPACE_TO_DEPTH",
    "DEPTH_TO_SPACE", "SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND", "RESIZE_NEAREST_NEIGHBOR",
    "SHAPE", "FILL", "RANGE",
))
# fmt: on
_CONVERTING = frozenset(("QUANTIZE", "DEQUANTIZE", "CAST"))
_WIDENING = "DEQUANTIZE"
OUTERMOST = "(outermost)"
_FLOATS = frozenset(("float32", "float16", "float64", "bfloat16"))
_BLOCKWISE = 2  # of the schema's QuantizationDetails


@dataclass(frozen=True)
class OpWidths:
    """One op, in the order in which they run.

    Attributes:
        kind: as TFLite names it.
        layer: the module that it came from; where no name tells of one, the name of its output.
        scope: the names of its outputs, each with a semicolon behind it: what the quantizer
            searches a rule's layer in.
        role: "moves" changes no value, "converts" goes between widths; all else "computes".
        weights: what its weights are stored in, such as "int4 block-32", "int8 per channel" or
            "float16"; empty for one without.
        activations: "float", "dynamic int8" where they are rounded as they come, else the type of
            the integers that it takes; "indices" where it takes no values of the model.
        integers: whether it multiplies and adds integers. Weights that are widened before their
            op do not make it so.
        weight_bytes: of all its constants; those that are widened first count where they are used.
        shape: of its first output.
    """

    kind: str
    layer: str
    scope: str
    role: Role
    weights: str
    activations: str
    integers: bool
    weight_bytes: int
    shape: tuple[int, ...]

    @property
    def float_weights(self) -> bool:
        """Whether it has weights, and they are stored in fractions."""
        return self.weights.split(" ")[0] in _FLOATS


def op_widths(model: Any) -> list[OpWidths]:
    """Every op of every subgraph of a file's object tree, in order."""
    return [op for subgraph in model.subgraphs for op in _Graph(model, subgraph).ops()]


class _Graph:
    """A subgraph, with what is known of its tensors."""

    def __init__(self, model: Any, subgraph: Any) -> None:
        self._model, self._subgraph = model, subgraph
        self._widened = {
            int(op.outputs[0]): int(op.inputs[0])
            for op in subgraph.operators
            if op_kind(model, op) == _WIDENING and self._bytes(int(op.inputs[0]))
        }

    def ops(self) -> Iterator[OpWidths]:
        """Its ops in order; a weight that is widened first is told of the op that reads it too."""
        return map(self._op, self._subgraph.operators)

    def _op(self, op: Any) -> OpWidths:
        kind = op_kind(self._model, op)
        widens = len(op.outputs) > 0 and int(op.outputs[0]) in self._widened
        inputs = [int(index) for index in op.inputs if index >= 0]
        stored = {index: self._widened.get(index, index) for index in inputs}
        constants = [index for index in inputs if self._bytes(stored[index])]
        values = [index for index in inputs if index not in constants and self._is_value(index)]
        weight = self._weight(kind, op, constants)
        activations = next(
            (self._dtype(index) for index in values if self._dtype(index) not in _FLOATS),
            "float" if values else "indices",
        )
        narrow = weight is not None and self._dtype(weight) not in _FLOATS  # unwidened, that is
        if activations == "float" and narrow:
            activations = "dynamic int8"
        integers = activations not in ("float", "indices")
        if kind == "EMBEDDING_LOOKUP":  # takes rows by their numbers, and multiplies nothing
            integers = weight is not None and self._dtype(stored[weight]) not in _FLOATS
        return OpWidths(
            kind=kind,
            layer=self._layer(op, [stored[index] for index in constants]),
            scope="".join(f"{self._name(int(index))};" for index in op.outputs),
            role=_role(kind, activations, weighted=weight is not None),
            weights="" if weight is None else self._described(stored[weight]),
            activations=activations,
            integers=integers,
            weight_bytes=sum(self._bytes(stored[index]) for index in constants if not widens),
            shape=self._shape(int(op.outputs[0])) if len(op.outputs) else (),
        )

    def _weight(self, kind: str, op: Any, constants: list[int]) -> int | None:
        """The input that holds the weights; of ops that have no place for them, the largest."""
        if kind in WEIGHT_AT and kind != "BATCH_MATMUL":
            place = WEIGHT_AT[kind]
            constants = [index for index in constants if index == int(op.inputs[place])]
        stored = [
            (self._bytes(self._widened.get(index, index)), index)
            for index in constants
            if self._is_value(index) and math.prod(self._shape(index)) > 1
        ]
        return max(stored)[1] if stored else None

    def _described(self, index: int) -> str:
        tensor, dtype = self._subgraph.tensors[index], self._dtype(index)
        given = tensor.quantization
        if dtype in _FLOATS or given is None:
            return dtype
        if given.detailsType == _BLOCKWISE:
            return f"{dtype} block-{given.details.blockSize}"
        return f"{dtype} per {'channel' if len(given.scale) > 1 else 'tensor'}"

    def _layer(self, op: Any, constants: list[int]) -> str:
        outputs = [self._name(int(index)) for index in op.outputs]
        names = [*outputs, *(self._name(index) for index in constants)]
        parts = (part for name in names for part in name.split(";"))  # fused ops have several
        paths = [path for path in map(module_path, parts) if path is not None]
        if named := next(filter(None, paths), None):
            return ".".join(named)
        return OUTERMOST if paths or not outputs else outputs[0]

    def _is_value(self, index: int) -> bool:
        """Whether it holds numbers of the model, and not shapes, indices or truths."""
        given = self._subgraph.tensors[index].quantization
        scaled = given is not None and (
            given.detailsType == _BLOCKWISE or (given.scale is not None and len(given.scale) > 0)
        )
        return scaled or self._dtype(index) in _FLOATS

    def _dtype(self, index: int) -> str:
        from ai_edge_litert.tools import flatbuffer_utils

        return str(flatbuffer_utils.type_to_name(self._subgraph.tensors[index].type)).lower()

    def _shape(self, index: int) -> tuple[int, ...]:
        shape = self._subgraph.tensors[index].shape
        return () if shape is None else tuple(map(int, shape))

    def _bytes(self, index: int) -> int:
        data = self._model.buffers[self._subgraph.tensors[index].buffer].data
        return 0 if data is None else len(data)

    def _name(self, index: int) -> str:
        return str(self._subgraph.tensors[index].name.decode(errors="replace"))


def _role(kind: str, activations: str, *, weighted: bool) -> Role:
    if kind in _CONVERTING:
        return "converts"
    if kind in MOVING or (activations == "indices" and not weighted):
        return "moves"
    return "computes"
