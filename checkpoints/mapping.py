"""Tensors on disk as torch tensors, their bytes left in the file where that can be."""

import mmap
import zlib

import torch

from checkpoints.archive import damaged
from checkpoints.disk_tensor import DiskTensor, Extent, reach, row_major
from checkpoints.memory import TORCH_DTYPES, bytes_of
from checkpoints.streaming import TensorStream

_WORTH_A_MAPPING = 1 << 16  # bytes; smaller tensors are read


def map_tensor(tensor: DiskTensor, stream: TensorStream) -> torch.Tensor:
    """The tensor on the CPU, its checksums found to hold.

    A tensor that lies in one piece is the file's own memory: its pages come and go as the system
    sees fit, and writing to it copies the pages that are written, not the file. One that is split
    over chunks, or badly aligned, is read. The file must not be changed in place meanwhile; to
    replace it by another is harmless.

    Raises:
        BadInputError: damaged.
    """
    dtype = TORCH_DTYPES[tensor.dtype]
    if tensor.elements == 0:
        return torch.empty(tensor.shape, dtype=dtype)
    if len(tensor.storage) == 1 and tensor.size_bytes >= _WORTH_A_MAPPING:
        (extent,) = tensor.storage
        if extent.offset % tensor.item_size == 0:
            strides = tensor.strides or row_major(tensor.shape)
            count = tensor.start + reach(tensor.shape, strides)
            flat = torch.frombuffer(_mapped(extent), dtype=dtype, count=count)
            return flat.as_strided(tensor.shape, strides, tensor.start)
    read = torch.empty(tensor.shape, dtype=dtype)
    target = memoryview(bytes_of(read, 0, read.numel()).data)
    position = 0
    for block in stream.blocks(tensor, 0, tensor.elements):
        target[position : position + len(block)] = block
        position += len(block)
    return read


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
