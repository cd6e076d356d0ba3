"""A checkpoint that is still on disk, as something to write again and to compare."""

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from itertools import zip_longest
from typing import Any

from checkpoints.archive_writing import TensorSource
from checkpoints.disk_tensor import DiskTensor
from checkpoints.nodes import PORTABLE
from checkpoints.streaming import TensorStream
from chunkport.errors import BadInputError

OnBytes = Callable[[int], None]

_EVEN = 1 << 20  # bytes compared at a time


def sources_in(contents: Any, on_bytes: OnBytes = lambda _count: None) -> Any:
    """The same nested values with a `TensorSource` for every `DiskTensor`; tied ones stay tied.

    `on_bytes` hears of every block that is read, once the tensors are written.

    Raises:
        BadInputError: it holds NumPy values, which a whole .pth keeps in a form of its own.
    """
    stream = TensorStream()
    made: dict[DiskTensor, TensorSource] = {}

    def source(tensor: DiskTensor) -> TensorSource:
        if tensor not in made:
            made[tensor] = stream.source(tensor, on_bytes)
        return made[tensor]

    return replaced(contents, source)


def replaced(value: Any, instead: Callable[[DiskTensor], Any]) -> Any:
    """The nested values with something else in place of every tensor.

    Raises:
        BadInputError: it holds NumPy values, which a whole .pth keeps in a form of its own.
    """
    if isinstance(value, DiskTensor):
        return instead(value)
    if isinstance(value, dict):
        if PORTABLE in value:
            raise BadInputError(
                "holds NumPy values; load it with load_model_chunked and save it again with "
                "save_model_chunked"
            )
        made = type(value)((key, replaced(item, instead)) for key, item in value.items())
        if _versions(value) is not None:
            vars(made)["_metadata"] = _versions(value)
        return made
    if type(value) in (list, tuple):
        return type(value)(replaced(item, instead) for item in value)
    return value


def first_difference(one: Any, other: Any, on_bytes: OnBytes = lambda _count: None) -> str | None:
    """The place where two checkpoints' values or tensors' bytes differ; None if they do not.

    Reads both, in constant memory, and checks both against their CRC-32 on the way. Tensors that
    are tied in one must be tied in the other.

    Raises:
        BadInputError: one is damaged.
    """
    pairs: dict[DiskTensor, DiskTensor] = {}
    different = next(_differences(one, other, (), pairs), None)
    if different is not None:
        return different
    pairs = {tensor: twin for tensor, twin in pairs.items() if tensor.elements}
    if len(set(pairs.values())) != len(pairs):
        return "tied tensors"
    left, right = TensorStream(), TensorStream()
    for tensor, twin in pairs.items():
        if not _same_bytes(
            left.blocks(tensor, 0, tensor.elements), right.blocks(twin, 0, twin.elements)
        ):
            return f"a tensor of shape {tensor.shape}"
        on_bytes(tensor.size_bytes)
    return None


def _differences(
    one: Any, other: Any, path: tuple[str, ...], pairs: dict[DiskTensor, DiskTensor]
) -> Iterator[str]:
    """Places at which plain values differ; collects the tensors that must be equal."""
    place = "/".join(path) or "the top level"
    if isinstance(one, DiskTensor) and isinstance(other, DiskTensor):
        same = (one.dtype, one.shape) == (other.dtype, other.shape)
        if not same or pairs.setdefault(one, other) != other:
            yield place
    elif isinstance(one, Mapping) and isinstance(other, Mapping):
        kept = isinstance(other, OrderedDict)  # which one whole file does not
        if list(one) != list(other) or (kept and _versions(one) != _versions(other)):
            yield place
            return
        for key in one:
            yield from _differences(one[key], other[key], (*path, str(key)), pairs)
    elif isinstance(one, list | tuple) and type(one) is type(other):
        if len(one) != len(other):
            yield place
            return
        for index, (item, twin) in enumerate(zip(one, other, strict=True)):
            yield from _differences(item, twin, (*path, str(index)), pairs)
    elif type(one) is not type(other) or (one != other and not _both_nan(one, other)):
        yield place


def _versions(value: Any) -> Any:
    """What state_dict() keeps beside its tensors."""
    return getattr(value, "_metadata", None)


def _both_nan(one: Any, other: Any) -> bool:
    return isinstance(one, float) and math.isnan(one) and math.isnan(other)


def _same_bytes(one: Iterator[memoryview], other: Iterator[memoryview]) -> bool:
    """Whether two streams hold the same bytes, however they are cut into blocks."""
    return all(left == right for left, right in zip_longest(_even(one), _even(other)))


def _even(blocks: Iterator[memoryview]) -> Iterator[bytes]:
    """The same bytes in blocks of one size, but for the last."""
    held = bytearray()
    for block in blocks:
        held += block
        while len(held) >= _EVEN:
            yield bytes(held[:_EVEN])
            del held[:_EVEN]
    if held:
        yield bytes(held)
