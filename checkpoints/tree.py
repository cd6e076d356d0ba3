"""Nested Python values with tensors and NumPy values as JSON plus a list of tensors.

A tensor becomes its number in the list. Tensors that are the same memory seen the same way (tied
weights) get one number, and are one tensor again when restored.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from checkpoints.memory import DTYPE_NAMES
from checkpoints.nodes import TAG, Json, Leaf, Leaves, Path, encode, refusal

_NUMPY_NAMES = ["bool", "float16", "float32", "float64", "complex64", "complex128"]
_NUMPY_NAMES += [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
NUMPY_DTYPES = frozenset(np.dtype(name) for name in _NUMPY_NAMES)
"""Types of NumPy arrays and numbers that a checkpoint may hold, in the machine's byte order."""


def flatten(value: Mapping[str, Any]) -> tuple[Json, tuple[Leaf[torch.Tensor], ...]]:
    """Take a checkpoint apart; `checkpoints.restoring.restore` is the way back.

    Holds None, bool, int, float, str, list, tuple, dict, OrderedDict, torch.Size, strided tensors,
    parameters, and NumPy numbers and arrays. Strides are not kept: tensors come back contiguous.
    The leaves' tensors are detached, on their own devices, not necessarily contiguous.

    Raises:
        UsageError: it holds anything else; the message says where.
    """
    leaves = Leaves[torch.Tensor]()
    tree = encode(value, lambda item, path: _special(item, path, leaves))
    return tree, tuple(leaves.found)


def _special(value: Any, path: Path, leaves: Leaves[torch.Tensor]) -> Json:
    if type(value) is torch.Size:
        return {TAG: "size", "items": list(value)}
    if isinstance(value, torch.Tensor):
        return _tensor(value, path, leaves)
    if isinstance(value, np.generic) and value.dtype in NUMPY_DTYPES:
        return {TAG: "scalar", "dtype": value.dtype.name, "hex": value.tobytes().hex()}
    if type(value) is np.ndarray and value.dtype in NUMPY_DTYPES:
        # a copy, because torch shares no read-only or backward-running memory
        tensor = torch.from_numpy(value.copy("C"))
        return {TAG: "array", "index": _number(tensor, path, leaves)}
    kind = type(value)
    raise refusal(path, f"a value of type {kind.__module__}.{kind.__qualname__}")


def _tensor(value: torch.Tensor, path: Path, leaves: Leaves[torch.Tensor]) -> Json:
    parameter = type(value) is torch.nn.Parameter
    if not parameter and type(value) is not torch.Tensor:
        raise refusal(path, f"a tensor of type {type(value).__qualname__}")
    if value.layout is not torch.strided or value.is_quantized or value.is_meta:
        raise refusal(path, "a tensor that is sparse, quantized or without data")
    if value.dtype not in DTYPE_NAMES:
        raise refusal(path, f"a tensor of {value.dtype}")
    node: dict[str, Json] = {TAG: "tensor", "index": _number(value.detach(), path, leaves)}
    if parameter:
        node["parameter"] = True
    if value.requires_grad:
        node["requires_grad"] = True
    return node


def _number(tensor: torch.Tensor, path: Path, leaves: Leaves[torch.Tensor]) -> int:
    memory = tensor.data_ptr() if tensor.numel() else len(leaves.found)
    view = (tensor.shape, tensor.stride(), tensor.is_conj(), tensor.is_neg())
    identity = (tensor.device, memory, tensor.dtype, view)
    return leaves.number(tensor, DTYPE_NAMES[tensor.dtype], tuple(tensor.shape), identity, path)
