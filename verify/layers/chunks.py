"""In which files of a checkpoint each tensor of a network lies."""

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from checkpoints import Checkpoint, open_checkpoint
from checkpoints.disk_tensor import DiskTensor
from verify.layers.provenance import named_tensors

_WRAPPED = re.compile(r"(?<![^.])((module|_orig_mod)\.)+")  # by distributed or compiled training


def files_of_tensors(checkpoint: Path, network: nn.Module) -> Mapping[str, tuple[str, ...]]:
    """By name in the network, the names of the files that hold the tensor.

    Where a checkpoint has several of that name and shape, such as an average beside the weights,
    values decide. A tensor that is in it under no such name, because it was made of others, is
    left out.

    Raises:
        BadInputError: there is no such checkpoint, or it is damaged.
    """
    opened = open_checkpoint(checkpoint)
    on_disk = {_WRAPPED.sub("", key.replace("/", ".")): key for key in opened.tensors()}
    tensors = opened.tensors()
    found = {}
    for name, values in named_tensors(network):
        keys = [
            key
            for plain, key in on_disk.items()
            if f".{plain}".endswith(f".{name}") and tensors[key].shape == tuple(values.shape)
        ]
        chosen = _only(keys, opened, values)
        if chosen is not None:
            found[name] = _files(tensors[chosen])
    return found


def _only(keys: list[str], opened: Checkpoint, values: torch.Tensor) -> str | None:
    if len(keys) > 1:
        keys = [key for key in keys if torch.equal(opened.read(key).to(values.dtype), values)]
    return keys[0] if keys else None


def _files(tensor: DiskTensor) -> tuple[str, ...]:
    return tuple(dict.fromkeys(extent.file.name for extent in tensor.storage))
