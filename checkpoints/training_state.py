"""Models, optimisers, schedulers and averages to the values of a checkpoint, and back."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

import torch
from torch.optim import Optimizer

from checkpoints.random_state import capture_random_state, restore_random_state
from chunkport.errors import BadInputError

_SHOWN = 8
_OF_SCHEDULERS = ("initial_lr", "max_lr", "min_lr", "base_momentum", "max_momentum")


class Stateful(Protocol):
    """A module, optimiser, scheduler or average: anything with a state dict."""

    def state_dict(self) -> Any:
        """All of it, as nested plain values and tensors."""

    def load_state_dict(self, state_dict: Any) -> Any:
        """The way back."""


Part: TypeAlias = Stateful | Mapping[str, Stateful] | None
"""One object, or several by name (`{"G": generator, "D": discriminator}`)."""


def training_values(**parts: Part) -> dict[str, Any]:
    """The state dicts of `model=`, `optimizer=`, ... and the random states.

    Under `model_state_dict`, or `model_G_state_dict` for one of several.
    """
    values = {
        key: _plain(part.state_dict())
        for name, several in parts.items()
        for key, part in _named(name, several).items()
    }
    return {**values, "random_state": capture_random_state()}


def restore_training(
    values: Mapping[str, Any],
    origin: str,
    announce: Callable[[str], None],
    **parts: Part,
) -> None:
    """Load what `training_values` made into the same parts, and the random states.

    Raises:
        BadInputError: a part is missing from the checkpoint or does not fit; nothing was changed
            unless the message says so.
    """
    if "random_state" not in values:
        raise BadInputError(f"{origin}: has no random_state; resume from a training checkpoint")
    restore_parts(values, origin, **parts)
    restore_random_state(values["random_state"], announce)


def restore_parts(values: Mapping[str, Any], origin: str, **parts: Part) -> None:
    """Load the state dicts of the parts, once all of them are found to be there and modules to fit.

    Raises:
        BadInputError: as `restore_training`.
    """
    found = [
        (key, part, _state_in(values, key, origin))
        for name, several in parts.items()
        for key, part in _named(name, several).items()
    ]
    for key, part, state in found:
        if isinstance(part, torch.nn.Module):
            _check_module(part, state, f"{origin}: {key}")
        elif isinstance(part, Optimizer):
            _check_optimizer(part, state, f"{origin}: {key}")
    for key, part, state in found:
        try:
            part.load_state_dict(_like(part, state))
        except (ValueError, KeyError, RuntimeError, TypeError) as error:
            reason = " ".join(str(error).split())[:300]
            raise BadInputError(
                f"{origin}: {key} does not fit ({reason}); parts before it are already restored, "
                "so start anew or resume from a checkpoint of this run"
            ) from error


def _named(name: str, part: Part) -> dict[str, Stateful]:
    if part is None:
        return {}
    if isinstance(part, Mapping):
        return {f"{name}_{key}_state_dict": one for key, one in part.items()}
    return {f"{name}_state_dict": part}


def _state_in(values: Mapping[str, Any], key: str, origin: str) -> Mapping[str, Any]:
    state = values.get(key)
    if not isinstance(state, Mapping):
        held = ", ".join(sorted(name for name in values if name.endswith("_state_dict")))
        raise BadInputError(
            f"{origin}: has no {key}, only {held or 'no state dict'}; "
            "resume with the parts that it was saved with"
        )
    return state


def _check_module(module: torch.nn.Module, state: Mapping[str, Any], origin: str) -> None:
    expected = module.state_dict()
    odd = [f"{key} is missing" for key in expected if key not in state]
    odd += [f"{key} is unexpected" for key in state if key not in expected]
    odd += [
        f"{key} has shape {tuple(state[key].shape)}, expected {tuple(value.shape)}"
        for key, value in expected.items()
        if isinstance(value, torch.Tensor)
        and isinstance(state.get(key), torch.Tensor)
        and state[key].shape != value.shape
    ]
    if odd:
        more = f" and {len(odd) - _SHOWN} more" if len(odd) > _SHOWN else ""
        raise BadInputError(
            f"{origin} does not fit {type(module).__name__}: {'; '.join(sorted(odd)[:_SHOWN])}"
            f"{more}; build the network that it was saved from"
        )


def _check_optimizer(optimizer: Optimizer, state: Mapping[str, Any], origin: str) -> None:
    """Raise for the state of another algorithm, which PyTorch takes and then fails to step with.

    Each has settings that the other does not know. A scheduler adds some, and so does a later
    PyTorch, but both only to one side.
    """
    held = {name for group in state.get("param_groups") or () for name in group}
    expected = {name for group in optimizer.param_groups for name in group}
    unknown = sorted(name for name in held - expected if name not in _OF_SCHEDULERS)
    missing = sorted(optimizer.defaults.keys() - held)
    if unknown and missing:
        raise BadInputError(
            f"{origin} does not fit {type(optimizer).__name__}: has {', '.join(unknown)}, but not "
            f"{', '.join(missing)}; build the optimizer that it was saved from"
        )


def _plain(state: Mapping[str, Any]) -> dict[str, Any]:
    """The state with dictionaries for Counters, in which MultiStepLR keeps its milestones."""
    return {
        key: dict(value) if isinstance(value, Counter) else value for key, value in state.items()
    }


def _like(part: Stateful, state: Mapping[str, Any]) -> dict[str, Any]:
    """The way back from `_plain`, by what the part holds now."""
    counters = {key for key, value in part.state_dict().items() if isinstance(value, Counter)}
    return {key: Counter(value) if key in counters else value for key, value in state.items()}
