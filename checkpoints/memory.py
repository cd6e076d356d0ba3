"""Tensors as the bytes they lie in."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch

from checkpoints.manifest import ITEM_SIZES

TORCH_DTYPES: Mapping[str, torch.dtype] = {name: getattr(torch, name) for name in ITEM_SIZES}
"""torch's types by the names that a manifest gives them."""

DTYPE_NAMES: Mapping[torch.dtype, str] = {dtype: name for name, dtype in TORCH_DTYPES.items()}
"""The way back."""


def bytes_of(tensor: torch.Tensor, start: int, stop: int) -> npt.NDArray[np.uint8]:
    """The memory, shared, of elements [start, stop) of a contiguous tensor on the CPU."""
    offset = (tensor.storage_offset() + start) * tensor.itemsize
    size = (stop - start) * tensor.itemsize
    raw = torch.empty(0, dtype=torch.uint8)
    raw.set_(tensor.untyped_storage(), offset, (size,), (1,))
    return raw.numpy()


def compact(tensor: torch.Tensor, start: int, stop: int) -> torch.Tensor:
    """Elements [start, stop), row-major, flat, with a storage of just that size on the CPU.

    torch.save writes whole storages, so a slice that shared its tensor's would cost all of it.
    Copies only what is not contiguous, or not on the CPU.
    """
    dense = tensor.resolve_conj().resolve_neg().cpu().contiguous()
    if start == stop:  # torch makes no tensor over a buffer of no bytes
        return torch.empty(0, dtype=tensor.dtype)
    return torch.frombuffer(bytes_of(dense, start, stop), dtype=tensor.dtype)
