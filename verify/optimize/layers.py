"""The layers of a float32 .tflite whose width can be chosen, and the recipe of what was chosen."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from convert.quantization.precision import recipe_of
from convert.quantization.recipe import BY_SAMPLES, EVERYTHING, Recipe, Rule
from convert.tflite import op_kind, read_flatbuffer

FLOAT = Rule("float32", "float32")
_HALF = Rule("float16", "float32")
_INT8 = Rule("int8")
_WIDENED = Rule("int8", "float32")
_INT4 = tuple(Rule("int4", algorithm=name) for name in ("min-max", "octav", "mse"))
# One scale for a whole layer: a channel's takes 12 bytes, of int4 rows of 100 a quarter.
_WHOLE = (
    Rule("int8", granularity="tensor"),
    *(Rule("int4", granularity="tensor", algorithm=name) for name in ("octav", "mse")),
)
_BLOCKS = tuple(
    Rule("int4", granularity=f"block-{length}", algorithm=name)
    for length in (32, 64, 128)
    for name in ("min-max", "octav")
)
# By op, what LiteRT has a kernel for, or what it widens before the op.
_FORMATS: Mapping[str, tuple[Rule, ...]] = {
    "FULLY_CONNECTED": (FLOAT, _HALF, _INT8, *_INT4, *_WHOLE, *_BLOCKS),
    "CONV_2D": (FLOAT, _HALF, _INT8),
    "TRANSPOSE_CONV": (FLOAT, _HALF, _INT8),
    "DEPTHWISE_CONV_2D": (FLOAT, _HALF, _WIDENED),
}
# What no XNNPACK kernel computes: smaller, but several times as slow as int8.
_SLOW: Mapping[str, tuple[Rule, ...]] = {"CONV_2D": _INT4}
_ROUNDED_BY_SAMPLES = ("FULLY_CONNECTED", "CONV_2D")
# Small and many: the rule that one of these had for itself would take more than it saves.
_ALL_ALIKE = ("DEPTHWISE_CONV_2D",)
_WEIGHT_AT = 1  # among the inputs of all of these
# What every precision leaves exact, for reasons of the model and not of the op.
_LEFT_EXACT = tuple(rule for rule in recipe_of("int8-dynamic").rules if rule.layer != EVERYTHING)
_AT_THE_END = ";*$"  # the quantizer adds such a mark, and names may have their own
_BETWEEN_WORDS = re.compile(r"(/|;;)")
# What needs no escape: a dot also finds other letters, but no other layer, which is looked at.
_PLAIN = re.compile(r"\^?[\w./;]+")


@dataclass(frozen=True)
class Layer:
    """An op with weights, or all ops of a kind whose widths are chosen together.

    Attributes:
        name: of its first output, which says where it stands in the wrapper; of many, their kind.
        op: as TFLite names it.
        pattern: a regular expression that finds this layer alone among those of its op.
        formats: the rules that can be chosen for it, the most exact first.
    """

    name: str
    op: str
    pattern: str
    formats: tuple[Rule, ...]


Assignment: TypeAlias = tuple[Rule, ...]  # one of the formats of each layer, in their order


def find_layers(float_model: Path, *, slow_kernels: bool = False) -> tuple[Layer, ...]:
    """The layers in order of execution.

    Args:
        float_model: the float32 .tflite.
        slow_kernels: formats that take several times as long as int8 may be chosen too.

    Raises:
        BadInputError: the file is no .tflite, or a damaged one.
    """
    model = read_flatbuffer(float_model)
    named = [
        (op_kind(model, op), graph.tensors[op.outputs[0]].name.decode())
        for graph in model.subgraphs
        for op in graph.operators
        if len(op.outputs)
    ]
    found: dict[str, Layer] = {}
    for kind, name, shape in _weighted_ops(model):
        if any(re.search(rule.layer, name) for rule in _LEFT_EXACT):
            continue
        if kind in _ALL_ALIKE:
            found[kind] = Layer(kind, kind, EVERYTHING, _FORMATS[kind])
        else:
            others = [other for op, other in named if op == kind and other != name]
            formats = _formats(kind, shape, slow_kernels=slow_kernels)
            found[name] = Layer(name, kind, _pattern(name, others), formats)
    return tuple(found.values())


def all_float(layers: Sequence[Layer]) -> Assignment:
    """The assignment that leaves everything as it is."""
    return (FLOAT,) * len(layers)


def recipe_for(layers: Sequence[Layer], assignment: Assignment) -> Recipe:
    """The recipe that gives each layer its format: one rule per op, then one per other format."""
    usual: list[Rule] = []
    others: dict[tuple[str, Rule], list[str]] = {}
    for kind in dict.fromkeys(layer.op for layer in layers):
        chosen = {
            layer: rule for layer, rule in zip(layers, assignment, strict=True) if layer.op == kind
        }
        most, _ = Counter(chosen.values()).most_common(1)[0]
        usual.append(replace(most, op=kind))
        for layer, rule in chosen.items():
            if rule != most:
                others.setdefault((kind, rule), []).append(layer.pattern)
    some = [
        replace(rule, op=kind, layer="|".join(patterns))
        for (kind, rule), patterns in others.items()
    ]
    by_samples = any(rule.algorithm in BY_SAMPLES for rule in assignment)
    return Recipe((*usual, *some, *_LEFT_EXACT), bias_correction=by_samples)


def rounded_by_samples(layers: Sequence[Layer], assignment: Assignment) -> Assignment:
    """The same widths, with the integers of every layer that can have it chosen by samples."""
    return tuple(
        replace(rule, algorithm=BY_SAMPLES[0])
        if layer.op in _ROUNDED_BY_SAMPLES
        and rule.weights.startswith("int")
        and rule.granularity == "channel"
        else rule
        for layer, rule in zip(layers, assignment, strict=True)
    )


def format_name(rule: Rule) -> str:
    """A format in few words, such as "int4 block-32 octav"."""
    if rule.weights in ("float32", "float16"):
        return rule.weights
    words = [rule.weights]
    if rule.granularity != "channel":
        words.append(rule.granularity)
    if rule.algorithm != "min-max":
        words.append(rule.algorithm)
    if rule.activations == "float32":
        words.append("widened")
    return " ".join(words)


def _weighted_ops(model: Any) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """(kind, name, shape of the weights) of each op with constant weights that has a choice."""
    for graph in model.subgraphs:
        for op in graph.operators:
            kind = op_kind(model, op)
            if kind not in _FORMATS:
                continue
            weights = graph.tensors[op.inputs[_WEIGHT_AT]]
            data = model.buffers[weights.buffer].data
            if data is not None and len(data):
                name = graph.tensors[op.outputs[0]].name.decode()
                yield kind, name, tuple(map(int, weights.shape))


def _formats(kind: str, shape: tuple[int, ...], *, slow_kernels: bool) -> tuple[Rule, ...]:
    """Those of the op, without blocks that do not divide a row of the weights."""
    return tuple(
        rule
        for rule in (*_FORMATS[kind], *(_SLOW.get(kind, ()) if slow_kernels else ()))
        if not (block := rule.granularity.partition("-")[2]) or shape[-1] % int(block) == 0
    )


def _pattern(name: str, others: Sequence[str]) -> str:
    """The shortest run of whole words of a name that none of the others has."""
    words = _BETWEEN_WORDS.split(name)  # words at even places, what joins them at odd ones
    runs = [
        "".join([words[first].rpartition(".")[2], *words[first + 1 : last]])
        for first in range(0, len(words), 2)
        for last in range(first + 1, len(words) + 1, 2)
    ]
    starts = ["^" + "".join(words[:last]) for last in range(1, len(words) + 1, 2)]
    for text in sorted([*filter(None, runs), *starts], key=len):
        pattern = text if _PLAIN.fullmatch(text) else re.escape(text)
        if not any(re.search(pattern, other) for other in others):
            return pattern
    return "^" + re.escape(name) + _AT_THE_END
