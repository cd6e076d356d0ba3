"""Tensors of .safetensors files as torch tensors, each checked where the file has its CRC-32."""

from collections.abc import Mapping
from typing import Any

import torch

from checkpoints.archive import damaged
from checkpoints.disk_tensor import DiskTensor
from checkpoints.memory import TORCH_DTYPES, bytes_of
from checkpoints.restoring import restore
from checkpoints.safetensors_file import SafetensorsFile
from checkpoints.streaming import read_into
from chunkport.errors import BadInputError


def load_safetensors(file: SafetensorsFile, device: torch.device) -> dict[str, Any]:
    """What one file holds, its tensors on `device`.

    Raises:
        BadInputError: it is damaged.
    """
    if file.tree is None:
        return load_values(file.contents, device)
    tensors = [load_tensor(tensor, device) for tensor in file.tensors.values()]
    try:
        restored: dict[str, Any] = restore(file.tree, tensors)
    except BadInputError as error:
        raise BadInputError(f"{file.path}: {error}; save it again") from error
    return restored


def load_values(contents: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
    """Tensors and texts by name; a tensor of two names is loaded once.

    Raises:
        BadInputError: a file is damaged.
    """
    loaded = {
        id(value): load_tensor(value, device)
        for value in contents.values()
        if isinstance(value, DiskTensor)
    }
    return {name: loaded.get(id(value), value) for name, value in contents.items()}


def load_tensor(tensor: DiskTensor, device: torch.device) -> torch.Tensor:
    """A tensor that lies row by row in one place, on `device`.

    Raises:
        BadInputError: its bytes are not those that were saved, or they end before their time.
    """
    (extent,) = tensor.storage
    landing = torch.empty(tensor.shape, dtype=TORCH_DTYPES[tensor.dtype])
    target = bytes_of(landing, 0, tensor.elements)
    with extent.file.open("rb", buffering=0) as stream:
        stream.seek(extent.offset)
        crc32 = read_into(stream, memoryview(target.data), 0)
    if crc32 < 0 or extent.crc32 not in (None, crc32):
        raise damaged(extent.file, f"byte {extent.offset}")
    return landing.to(device)
