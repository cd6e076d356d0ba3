"""A tensor that is still on disk: what it is, and where its bytes lie. Needs no torch."""

import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from checkpoints.manifest import ITEM_SIZES


@dataclass(frozen=True)
class Extent:
    """Bytes in a file that belong together.

    Attributes:
        file: where.
        offset: of the first byte.
        size_bytes: how many.
        crc32: of all of them; None where the file's format keeps no checksum.
    """

    file: Path
    offset: int
    size_bytes: int
    crc32: int | None


@dataclass(frozen=True)
class DiskTensor:
    """A tensor of which nothing has been read. Equal ones are the same bytes seen the same way.

    Attributes:
        dtype: `float32`, `bfloat16`, ...
        shape: as the tensor's.
        storage: one after the other they hold the elements; several tensors may share one.
        start: its first element, counted from the beginning of the storage.
        strides: elements from one index to the next, by dimension; None for row-major.
    """

    dtype: str
    shape: tuple[int, ...]
    storage: tuple[Extent, ...]
    start: int = 0
    strides: tuple[int, ...] | None = None

    @property
    def item_size(self) -> int:
        """Bytes per element."""
        return ITEM_SIZES[self.dtype]

    @property
    def elements(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)

    @property
    def size_bytes(self) -> int:
        """Of its elements, without gaps."""
        return self.elements * self.item_size


def row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides, in elements, of a tensor that lies in memory row after row."""
    return tuple(math.prod(shape[dim + 1 :]) for dim in range(len(shape)))


def is_row_major(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    """Whether such strides walk through memory without a gap or a jump."""
    if 0 in shape:
        return True
    real = [(size, stride) for size, stride in zip(shape, strides, strict=True) if size != 1]
    if real and real[-1][1] != 1:
        return False
    return all(outer == size * inner for (_, outer), (size, inner) in pairwise(real))


def reach(shape: tuple[int, ...], strides: tuple[int, ...]) -> int:
    """Elements from the first that such a tensor touches to the last, both counted."""
    if 0 in shape:
        return 0
    return 1 + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
