"""From what a checkpoint holds to a network with exactly those weights, or a clear refusal."""

from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from torch import nn

from chunkport.errors import BadInputError

Network = TypeVar("Network", bound=nn.Module)
_SHOWN = 8


def state_dict_in(
    checkpoint: Mapping[str, Any], key: str, origin: str
) -> Mapping[str, torch.Tensor]:
    """The state dict under `key`, or the checkpoint itself where it is a bare state dict.

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
    return found


def load_strictly(network: Network, state: Mapping[str, torch.Tensor], origin: str) -> Network:
    """Load every tensor of `state` into the network, in eval mode, with gradients off.

    Raises:
        BadInputError: a key is missing or unexpected, a shape differs, or a weight is NaN or
            infinite.
    """
    expected = network.state_dict()
    missing, unexpected = sorted(expected.keys() - state), sorted(state.keys() - expected)
    if missing or unexpected:
        raise BadInputError(
            f"{origin}: is no {type(network).__name__} checkpoint; missing keys: "
            f"{_listed(missing)}; unexpected keys: {_listed(unexpected)}"
        )
    for name, tensor in state.items():
        if tensor.shape != expected[name].shape:
            raise BadInputError(
                f"{origin}: '{name}' has shape {tuple(tensor.shape)}, "
                f"expected {tuple(expected[name].shape)}"
            )
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            bad = int((~torch.isfinite(tensor)).sum())
            raise BadInputError(
                f"{origin}: '{name}' holds {bad} NaN or infinite of {tensor.numel()} values; "
                "training diverged, so use an earlier checkpoint"
            )
    network.load_state_dict(dict(state))
    return network.eval().requires_grad_(requires_grad=False)


def _listed(names: Any) -> str:
    names = sorted(map(str, names))
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (", ".join(names[:_SHOWN]) + more) or "none"
