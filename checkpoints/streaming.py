"""Bytes of tensors from disk, a block at a time, each checked against its CRC-32."""

import threading
import zlib
from collections.abc import Callable, Iterator
from typing import IO

from checkpoints.archive import damaged
from checkpoints.archive_writing import TensorSource
from checkpoints.disk_tensor import DiskTensor, Extent, reach
from chunkport.errors import BadInputError

BLOCK = 1 << 20
"""Bytes read at a time: few enough to stay in the processor's cache while they are checked."""

_GATHER_BYTES = 16 << 20  # of a tensor that is not row-major, read together
SHORT = -1
"""In place of a CRC-32: the file ended before its size said. No CRC-32 is negative."""


def fill(stream: IO[bytes], target: memoryview) -> bool:
    """Read until `target` is full; False where the unbuffered stream ends before."""
    filled = 0
    while filled < len(target):
        count = stream.readinto(target[filled:])  # type: ignore[attr-defined]  # raw files have it
        if not count:
            return False
        filled += count
    return True


def read_into(stream: IO[bytes], target: memoryview, crc32: int) -> int:
    """Fill `target` from an unbuffered stream; the CRC-32 continued over it, or SHORT."""
    for start in range(0, len(target), BLOCK):
        block = target[start : start + BLOCK]
        if not fill(stream, block):
            return SHORT
        crc32 = zlib.crc32(block, crc32)
    return crc32


def pass_over(stream: IO[bytes], size: int, scratch: memoryview, crc32: int) -> int:
    """Read `size` bytes for their CRC-32 alone."""
    while size:
        step = min(size, len(scratch))
        crc32 = read_into(stream, scratch[:step], crc32)
        size -= step
    return crc32


class TensorStream:
    """Reads tensors in constant memory; remembers which checksums were found to hold.

    Several threads may read. A block is good until its thread asks for the next one. An extent read
    from its first byte to its last is checked on the way, and the error comes after its last block;
    of any other the whole is checked before.
    """

    def __init__(self) -> None:
        self._own = threading.local()
        self._sound: set[Extent] = set()
        self._checking: dict[Extent, threading.Lock] = {}

    @property
    def _scratch(self) -> memoryview:
        """The thread's own."""
        if not hasattr(self._own, "scratch"):
            self._own.scratch = memoryview(bytearray(BLOCK))
        scratch: memoryview = self._own.scratch
        return scratch

    def source(
        self, tensor: DiskTensor, on_bytes: Callable[[int], None] = lambda _count: None
    ) -> TensorSource:
        """The tensor as something to be written; `on_bytes` hears of every block that is read.

        The checksum of a tensor that is a whole extent is left to the writer, which has to compute
        it in any case.
        """
        extent = tensor.storage[0] if len(tensor.storage) == 1 else None
        whole = extent is not None and _is_all_of(tensor, extent)

        def blocks(first: int, last: int) -> Iterator[memoryview]:
            unchecked = whole and (first, last) == (0, tensor.elements)
            for block in self.blocks(tensor, first, last, checked=not unchecked):
                on_bytes(len(block))
                yield block

        crc32 = extent.crc32 if extent and whole else None
        origin = extent.file if extent else None
        return TensorSource(tensor.dtype, tensor.shape, blocks, crc32, origin)

    def blocks(
        self, tensor: DiskTensor, first: int, last: int, *, checked: bool = True
    ) -> Iterator[memoryview]:
        """The bytes of elements [first, last), row-major; not `checked` if the caller will.

        Raises:
            BadInputError: the file is damaged, or the tensor lies too scattered to be gathered.
        """
        if tensor.strides is not None:
            yield from self._gathered(tensor, first, last)
            return
        item = tensor.item_size
        start, stop = (tensor.start + first) * item, (tensor.start + last) * item
        for extent in tensor.storage:
            low, high = max(start, 0), min(stop, extent.size_bytes)
            if low < high:
                yield from self._read(extent, low, high, checked=checked)
            start, stop = start - extent.size_bytes, stop - extent.size_bytes

    def check(self, extent: Extent) -> None:
        """Read all of an extent and hold it against its CRC-32, once.

        Raises:
            BadInputError: it is damaged.
        """
        if extent.crc32 is None or extent in self._sound:
            return
        with self._checking.setdefault(extent, threading.Lock()):  # others wait for the result
            if extent not in self._sound:
                for _ in self._read(extent, 0, extent.size_bytes, checked=True):
                    pass

    def _read(
        self, extent: Extent, start: int, stop: int, *, checked: bool
    ) -> Iterator[memoryview]:
        whole = (start, stop) == (0, extent.size_bytes)
        if checked and not whole:
            self.check(extent)
        sums = checked and whole and extent.crc32 is not None
        crc32 = 0
        with extent.file.open("rb", buffering=0) as stream:
            stream.seek(extent.offset + start)
            for position in range(start, stop, BLOCK):
                block = self._scratch[: min(BLOCK, stop - position)]
                if not fill(stream, block):
                    raise damaged(extent.file, f"byte {extent.offset + position}")
                if sums:
                    crc32 = zlib.crc32(block, crc32)
                yield block
        if sums:
            if crc32 != extent.crc32:
                raise damaged(extent.file, f"byte {extent.offset}")
            self._sound.add(extent)

    def _gathered(self, tensor: DiskTensor, first: int, last: int) -> Iterator[memoryview]:
        """As many steps along dim 0 at a time as lie within a bounded part of the file."""
        import numpy as np

        assert tensor.strides is not None
        (extent,) = tensor.storage
        self.check(extent)
        item, shape, strides = tensor.item_size, tensor.shape, tensor.strides
        inner = reach(shape[1:], strides[1:])
        steps = 1 + (_GATHER_BYTES // item - inner) // max(strides[0], 1)
        if steps < 1 or tensor.size_bytes > extent.size_bytes:
            raise BadInputError(
                f"{extent.file}: the tensor of shape {shape} with strides {strides} lies too "
                "scattered to be read; save it again as tensor.contiguous()"
            )
        row = tensor.elements // shape[0]
        for index in range(first // row, -(-last // row), steps):
            count = min(steps, shape[0] - index)
            low = (tensor.start + index * strides[0]) * item
            span = bytearray(((count - 1) * strides[0] + inner) * item)
            with extent.file.open("rb", buffering=0) as stream:
                stream.seek(extent.offset + low)
                if not fill(stream, memoryview(span)):
                    raise damaged(extent.file, f"byte {extent.offset + low}")
            view = np.lib.stride_tricks.as_strided(
                np.frombuffer(span, f"V{item}"),
                (count, *shape[1:]),
                [stride * item for stride in strides],
            )
            dense = np.ascontiguousarray(view).reshape(-1)
            kept = dense[max(first - index * row, 0) : last - index * row]
            yield memoryview(kept.view(np.uint8).data)


def _is_all_of(tensor: DiskTensor, extent: Extent) -> bool:
    return tensor.strides is None and tensor.start == 0 and tensor.size_bytes == extent.size_bytes
