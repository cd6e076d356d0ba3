"""Tensors on disk as torch tensors, their bytes left in the file where that can be."""

import mmap
import zlib
from tempfile import TemporaryFile, gettempdir

import torch

from checkpoints.archive import damaged
from checkpoints.disk_tensor import DiskTensor, Extent, reach, row_major
from checkpoints.manifest import MIB
from checkpoints.memory import TORCH_DTYPES
from checkpoints.streaming import TensorStream
from chunkport.errors import UsageError

_WORTH_A_MAPPING = 1 << 16  # bytes; smaller tensors are read


def map_tensor(tensor: DiskTensor, stream: TensorStream) -> torch.Tensor:
    """The tensor on the CPU, its checksums found to hold.

    A tensor that lies in one piece is the file's own memory: its pages come and go as the system
    sees fit, and writing to it copies the pages that are written, not the file. One that is split
    over chunks, or badly aligned, is put together in a temporary file, and is that one's memory.
    The checkpoint must not be changed in place meanwhile; to replace it by another is harmless.

    Raises:
        BadInputError: damaged.
        UsageError: no room for temporary files.
    """
    dtype, shape = TORCH_DTYPES[tensor.dtype], tensor.shape
    if tensor.elements == 0:
        return torch.empty(shape, dtype=dtype)
    if tensor.size_bytes < _WORTH_A_MAPPING:
        content = bytearray()
        for block in stream.blocks(tensor, 0, tensor.elements):
            content += block
        return torch.frombuffer(content, dtype=dtype).reshape(shape)
    extent = tensor.storage[0]
    if len(tensor.storage) > 1 or extent.offset % tensor.item_size:
        return torch.frombuffer(_assembled(tensor, stream), dtype=dtype).reshape(shape)
    strides = tensor.strides or row_major(shape)
    count = tensor.start + reach(shape, strides)
    flat = torch.frombuffer(_mapped(extent), dtype=dtype, count=count)
    return flat.as_strided(shape, strides, tensor.start)


def _assembled(tensor: DiskTensor, stream: TensorStream) -> memoryview:
    """The tensor's bytes in a file without a name, which goes when its last user does."""
    try:
        with TemporaryFile() as file:
            for block in stream.blocks(tensor, 0, tensor.elements):
                file.write(block)
            file.flush()
            return memoryview(mmap.mmap(file.fileno(), tensor.size_bytes, access=mmap.ACCESS_COPY))
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(
            f"{gettempdir()}: no room for {tensor.size_bytes / MIB:.0f} MiB of a tensor that is "
            f"split over files ({reason}); free some space, or set TMPDIR to another folder"
        ) from error


def _mapped(extent: Extent) -> memoryview:
    """The extent's bytes in the file, checked; changes to them stay in memory."""
    skip = extent.offset % mmap.ALLOCATIONGRANULARITY
    with extent.file.open("rb") as file:
        whole = mmap.mmap(
            file.fileno(),
            skip + extent.size_bytes,
            access=mmap.ACCESS_COPY,
            offset=extent.offset - skip,
        )
    view = memoryview(whole)[skip:]
    if extent.crc32 is not None and zlib.crc32(view) != extent.crc32:
        raise damaged(extent.file, f"byte {extent.offset}")
    return view
