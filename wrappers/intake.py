"""From what a checkpoint holds to a network with exactly those weights, or a clear refusal."""

from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from torch import nn

from chunkport.errors import BadInputError

Network = TypeVar("Network", bound=nn.Module)
_SHOWN = 8
_OTHER_MODEL = "name the model that the checkpoint is of"
_OF_WRAPPERS = ("module.", "_orig_mod.")
_WEIGHT_TYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def state_dict_in(
    checkpoint: Mapping[str, Any], key: str, origin: str
) -> Mapping[str, torch.Tensor]:
    """The state dict under `key`, or the checkpoint itself where it is a bare state dict.

    Names are without what DataParallel and torch.compile put before every one of them.

    Raises:
        BadInputError: there is neither.
    """
    found = checkpoint.get(key, checkpoint)
    if (
        not isinstance(found, Mapping)
        or not found
        or not all(isinstance(value, torch.Tensor) for value in found.values())
    ):
        raise BadInputError(
            f"{origin}: holds no '{key}'; it holds {_listed(checkpoint)}. "
            "Is it a checkpoint of another model?"
        )
    return _unwrapped(found)


def _unwrapped(state: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
    for prefix in _OF_WRAPPERS:
        if all(name.startswith(prefix) for name in state):
            return _unwrapped({name.removeprefix(prefix): state[name] for name in state})
    return state


def check_layout(network: nn.Module, shapes: Mapping[str, tuple[int, ...]], origin: str) -> None:
    """Hold the names and shapes of a state dict against the network's own.

    Raises:
        BadInputError: a key is missing or unexpected, or a shape differs.
    """
    expected = network.state_dict()
    missing, unexpected = sorted(expected.keys() - shapes), sorted(shapes.keys() - expected)
    if missing or unexpected:
        raise BadInputError(
            f"{origin}: is no {type(network).__name__} checkpoint; missing keys: "
            f"{_listed(missing)}; unexpected keys: {_listed(unexpected)}; {_OTHER_MODEL}"
        )
    for name, shape in shapes.items():
        if shape != tuple(expected[name].shape):
            raise BadInputError(
                f"{origin}: '{name}' has shape {tuple(shape)}, expected "
                f"{tuple(expected[name].shape)}; {_OTHER_MODEL}"
            )


def load_strictly(
    network: Network, state: Mapping[str, torch.Tensor], origin: str, *, assign: bool = False
) -> Network:
    """Load every tensor of `state` into the network, in eval mode, with gradients off.

    With `assign` the tensors themselves become its weights, converted where their type is another:
    for a network on the meta device, and for weights that are not to be copied.

    Raises:
        BadInputError: a key is missing or unexpected, a shape differs, a weight is of a type that
            cannot be taken for a float's, or it is NaN or infinite.
    """
    check_layout(network, {name: tuple(tensor.shape) for name, tensor in state.items()}, origin)
    expected = network.state_dict()
    for name, tensor in state.items():
        if expected[name].is_floating_point() and tensor.dtype not in _WEIGHT_TYPES:
            raise BadInputError(
                f"{origin}: '{name}' is of type {_type(tensor.dtype)}, expected one of "
                f"{', '.join(map(_type, _WEIGHT_TYPES))}; save the weights before quantization"
            )
        if tensor.is_floating_point() and not _is_finite(tensor):
            bad = int((~torch.isfinite(tensor)).sum())
            raise BadInputError(
                f"{origin}: '{name}' holds {bad} NaN or infinite of {tensor.numel()} values; "
                "training diverged, so use an earlier checkpoint"
            )
    if assign:
        state = {name: tensor.to(expected[name].dtype) for name, tensor in state.items()}
    network.load_state_dict(dict(state), assign=assign)
    return network.eval().requires_grad_(requires_grad=False)


def _is_finite(tensor: torch.Tensor) -> bool:
    """Whether all values are finite; takes no memory, because NaN is both least and greatest."""
    return tensor.numel() == 0 or all(bool(torch.isfinite(end)) for end in torch.aminmax(tensor))


def _type(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _listed(names: Any) -> str:
    names = sorted(map(str, names))
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (", ".join(names[:_SHOWN]) + more) or "none"
