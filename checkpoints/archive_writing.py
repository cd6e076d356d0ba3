"""Writing a .pth without torch: the zip archive and the pickle that torch.load reads.

Only dictionaries, lists, tuples, plain values and tensors. The tensors' bytes are asked for a block
at a time, so the memory that it takes does not grow with them.
"""

import math
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from checkpoints.archive import damaged
from checkpoints.checked_file import new_file
from checkpoints.disk_tensor import row_major
from checkpoints.manifest import ITEM_SIZES
from checkpoints.torch_file import STORAGE_TYPES, UNTYPED_STORAGE

_FOLDER = "archive"
_ALIGNMENT = 64  # of each storage in the file, as torch.save aligns them
_LOCAL_HEADER_BYTES = 30
_ZIP64_FIELD_BYTES = 20
_FIELD = struct.Struct("<2sH")  # of a zip header: its id and the length of what follows
_NEWEST_TIME = (1980, 1, 1, 0, 0, 0)  # the same bytes whenever they are written
_PROTOCOL = 2

Blocks = Iterable[bytes | memoryview]


@dataclass(frozen=True, eq=False)
class TensorSource:
    """A tensor whose bytes are to be had when they are asked for.

    Attributes:
        dtype: `float32`, `bfloat16`, ...
        shape: as the tensor's.
        blocks: the bytes of elements [first, last), row-major, a block at a time.
        crc32: of all its bytes, where it is known and `blocks` leaves it to the writer to hold
            what it wrote against it.
        origin: where the bytes come from, for the message if they are damaged.
    """

    dtype: str
    shape: tuple[int, ...]
    blocks: Callable[[int, int], Blocks]
    crc32: int | None = None
    origin: Path | None = None

    def part(self, first: int, shape: tuple[int, ...]) -> "TensorSource":
        """As many elements as `shape` holds, from number `first` on, as a tensor of their own."""
        if shape == self.shape:
            return self

        def blocks(start: int, stop: int) -> Blocks:
            return self.blocks(first + start, first + stop)

        return TensorSource(self.dtype, shape, blocks)


class Sink(Protocol):
    """What an archive is written to, from front to end."""

    size_bytes: int

    def write(self, data: bytes | memoryview, /) -> int:
        """Write all of `data`."""

    def flush(self) -> None:
        """Hand everything to the operating system."""

    def close(self) -> None:
        """Nothing: whoever opened it closes it."""


def write_archive(contents: Any, target: Path) -> tuple[int, int]:
    """Write a new file with `contents`; its size in bytes and CRC-32.

    Raises:
        OSError: the disk refuses.
        BadInputError: from a source whose bytes are damaged.
    """
    with new_file(target) as file:
        write_members(contents, file)
    return file.size_bytes, file.crc32


def write_members(contents: Any, sink: Sink) -> None:
    """Write the archive with `contents` to `sink`, which is empty."""
    pickler = _Pickler()
    pickled = pickler.dumps(contents)
    with zipfile.ZipFile(sink, "w") as archive:
        _write_member(archive, sink, "data.pkl", len(pickled), [pickled])
        _write_member(archive, sink, "byteorder", len(b"little"), [b"little"])
        for number, tensor in enumerate(pickler.storages):
            elements = math.prod(tensor.shape)
            size = elements * ITEM_SIZES[tensor.dtype]
            crc32 = _write_member(archive, sink, f"data/{number}", size, tensor.blocks(0, elements))
            if tensor.crc32 not in (None, crc32):
                raise damaged(tensor.origin or Path(), f"the tensor of shape {tensor.shape}")
        _write_member(archive, sink, "version", len(b"3\n"), [b"3\n"])


def _write_member(
    archive: zipfile.ZipFile, sink: Sink, name: str, size_bytes: int, blocks: Blocks
) -> int:
    """Add a member to the archive; the CRC-32 of its bytes."""
    info = zipfile.ZipInfo(f"{_FOLDER}/{name}", _NEWEST_TIME)
    info.file_size = size_bytes
    zip64 = size_bytes >= zipfile.ZIP64_LIMIT
    data_start = sink.size_bytes + _LOCAL_HEADER_BYTES + len(info.filename) + _FIELD.size
    data_start += _ZIP64_FIELD_BYTES if zip64 else 0
    padding = -data_start % _ALIGNMENT
    info.extra = _FIELD.pack(b"FB", padding) + bytes(padding)
    with archive.open(info, "w", force_zip64=zip64) as member:
        info.extra = b""  # the directory needs no padding
        for block in blocks:
            member.write(block)
    assert info.file_size == size_bytes, f"{name}: {info.file_size} bytes, not {size_bytes}"
    return info.CRC


@dataclass
class _Pickler:
    """Writes the pickle; collects the tensors, each once, in the order of their storages."""

    storages: list[TensorSource] = field(default_factory=list)
    _output: bytearray = field(default_factory=bytearray)
    _numbers: dict[TensorSource, int] = field(default_factory=dict)
    _names: dict[str, int] = field(default_factory=dict)

    def dumps(self, value: Any) -> bytes:
        self._output = bytearray(pickle.PROTO + bytes([_PROTOCOL]))
        self._write(value)
        return bytes(self._output + pickle.STOP)

    def _write(self, value: Any) -> None:
        if isinstance(value, TensorSource):
            self._tensor(value)
        elif isinstance(value, dict):
            items = [part for pair in value.items() for part in pair]
            self._sequence(pickle.EMPTY_DICT + pickle.MARK, items, pickle.SETITEMS)
        elif isinstance(value, list):
            self._sequence(pickle.EMPTY_LIST + pickle.MARK, value, pickle.APPENDS)
        elif isinstance(value, tuple):
            self._sequence(pickle.MARK, value, pickle.TUPLE)
        elif isinstance(value, str):
            text = value.encode("utf-8", "surrogatepass")
            self._output += pickle.BINUNICODE + struct.pack("<I", len(text)) + text
        else:
            assert value is None or isinstance(value, bool | int | float), type(value)
            self._output += pickle.dumps(value, _PROTOCOL)[2:-1]  # without its start and end

    def _sequence(self, opening: bytes, items: Iterable[Any], closing: bytes) -> None:
        self._output += opening
        for item in items:
            self._write(item)
        self._output += closing

    def _name(self, module: str, name: str) -> None:
        """A global by its name the first time, by its number from then on."""
        full = f"{module}.{name}"
        if full in self._names:
            self._output += pickle.BINGET + bytes([self._names[full]])
            return
        self._names[full] = len(self._names)
        self._output += pickle.GLOBAL + f"{module}\n{name}\n".encode()
        self._output += pickle.BINPUT + bytes([self._names[full]])

    def _tensor(self, tensor: TensorSource) -> None:
        """As torch writes it: a function that rebuilds it, and what that is given."""
        typed = STORAGE_TYPES.get(tensor.dtype)
        if tensor not in self._numbers:
            self._numbers[tensor] = len(self.storages)
            self.storages.append(tensor)
        self._name("torch._utils", "_rebuild_tensor_v2" if typed else "_rebuild_tensor_v3")
        self._output += pickle.MARK + pickle.MARK
        self._write("storage")
        self._name(*(typed or UNTYPED_STORAGE).rsplit(".", 1))
        self._write(str(self._numbers[tensor]))
        self._write("cpu")
        self._write(math.prod(tensor.shape) * (1 if typed else ITEM_SIZES[tensor.dtype]))
        self._output += pickle.TUPLE + pickle.BINPERSID
        self._write(0)
        self._write(tensor.shape)
        self._write(row_major(tensor.shape))
        self._write(False)  # noqa: FBT003  # requires_grad
        self._name("collections", "OrderedDict")  # no hooks
        self._output += pickle.EMPTY_TUPLE + pickle.REDUCE
        if not typed:
            self._name("torch", tensor.dtype)
        self._output += pickle.TUPLE + pickle.REDUCE
