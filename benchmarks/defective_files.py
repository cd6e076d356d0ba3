"""Damage to finished .tflite files: what tools do in silence, and what disks do.

All but the flipped bit put the file's card in anew, as a tool that did the damage would have: only
what the file holds and computes can tell.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from convert.card import Card, read_card, stamp
from convert.tflite import dtype_of, read_flatbuffer, write_flatbuffer


def flip_a_bit(path: Path) -> None:
    """The lowest bit of one byte amid the largest constant: no output changes much."""
    content = bytearray(path.read_bytes())
    model = read_flatbuffer(path)
    largest = max((bytes(model.buffers[it.buffer].data) for it in _weights(model)), key=len)
    content[content.find(largest) + len(largest) // 2] ^= 1
    path.write_bytes(content)


def double_scales(path: Path) -> None:
    """All scales of one integer weight are twice what they should be."""
    _edited(path, lambda model: _double(model, slice(None)))


def double_one_scale(path: Path) -> None:
    """The scale of one channel of one integer weight is twice what it should be."""
    _edited(path, lambda model: _double(model, slice(3, 4)))


def shift_a_weight(path: Path) -> None:
    """The zero points of one integer weight are one off: all of it is off by a step."""

    def shift(model: Any) -> None:
        quantization = _middle_integers(model).quantization
        quantization.zeroPoint = np.asarray(quantization.zeroPoint, np.int64) + 1

    _edited(path, shift)


def shift_the_output(path: Path) -> None:
    """The zero point of the last integers is off: a quarter of their range is cut away."""

    def shift(model: Any) -> None:
        graph = model.subgraphs[0]
        given = [graph.tensors[op.outputs[0]] for op in graph.operators]
        last = [tensor for tensor in given if dtype_of(tensor) is np.int8][-1]
        last.quantization.zeroPoint = np.asarray(last.quantization.zeroPoint, np.int64) + 64

    _edited(path, shift)


def collapse_constants(path: Path) -> None:
    """Two weights of one shape hold the values of the first, as a converter's cache mixes them."""

    def collapse(model: Any) -> None:
        first: dict[tuple[int, ...], Any] = {}
        for tensor in _weights(model):
            shape = tuple(tensor.shape)
            if len(shape) > 1 and first.setdefault(shape, tensor).buffer != tensor.buffer:
                tensor.buffer = first[shape].buffer
                return
        raise ValueError(f"{path}: holds no two weights of one shape")

    _edited(path, collapse)


def _double(model: Any, channels: slice) -> None:
    quantization = _middle_integers(model).quantization
    quantization.scale = np.array(quantization.scale, dtype=np.float32)
    quantization.scale[channels] *= 2


def _middle_integers(model: Any) -> Any:
    """The tensor of an integer weight in the middle of the network."""
    integers = [tensor for tensor in _weights(model) if _scales(tensor) > 1]
    return integers[len(integers) // 2]


def _scales(tensor: Any) -> int:
    scales = None if tensor.quantization is None else tensor.quantization.scale
    return 0 if scales is None else len(scales)


def _weights(model: Any) -> Iterator[Any]:
    """The constant tensors of the main subgraph that hold weights, in order."""
    for tensor in model.subgraphs[0].tensors:
        data = model.buffers[tensor.buffer].data
        if data is not None and len(data) and dtype_of(tensor) in {np.float32, np.float16, np.int8}:
            yield tensor


def _edited(path: Path, edit: Callable[[Any], None]) -> None:
    card = read_card(path)
    assert isinstance(card, Card)
    model = read_flatbuffer(path)
    edit(model)
    damaged = path.with_suffix(".damaged")
    write_flatbuffer(model, damaged)
    stamp(damaged, path, card)
    damaged.unlink()
