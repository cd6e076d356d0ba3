"""Running a wrapper in PyTorch while watching every operation that takes one of its weights.

Such an operation is where a layer of the network becomes visible again, whatever module it stands
in. What it gives can be replaced, so that the rest of the wrapper goes on from other values.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from verify.layers.provenance import named_tensors, tensors_in

if TYPE_CHECKING:
    from wrappers.spec import Arrays


@dataclass(frozen=True, eq=False)
class CallWeight:
    """A weight as an operation takes it: the wrapper's own tensor, or what was made of it alone."""

    name: str
    values: torch.Tensor


@dataclass(frozen=True, eq=False)
class WeightedCall:
    """An operation on activations and weights.

    Attributes:
        index: among all such operations of a run, which are the same in every run.
        function: PyTorch's name of it, such as `linear`.
        weights: in the order of its arguments.
        shape: of what it gives.
    """

    index: int
    function: str
    weights: tuple[CallWeight, ...]
    shape: tuple[int, ...]


# Takes an operation and what it gave; what it answers takes that one's place, unless it is None.
OnCall = Callable[[WeightedCall, torch.Tensor], torch.Tensor | None]


def weighted_calls(wrapper: nn.Module, inputs: "Arrays") -> list[WeightedCall]:
    """The operations on weights, in the order in which they run."""
    calls: list[WeightedCall] = []

    def note(call: WeightedCall, _result: torch.Tensor) -> None:
        calls.append(call)

    run_watched(wrapper, inputs, note)
    return calls


def run_watched(wrapper: nn.Module, inputs: "Arrays", on_call: OnCall) -> "Arrays":
    """The wrapper's outputs for one input, `on_call` having seen every operation on weights."""
    tensors = {name: torch.from_numpy(np.array(values)) for name, values in inputs.items()}
    with torch.no_grad(), _Watch(wrapper, on_call):
        outputs: Mapping[str, torch.Tensor] = wrapper(**tensors)
    return {name: values.numpy() for name, values in outputs.items()}


class _Watch(TorchFunctionMode):
    def __init__(self, wrapper: nn.Module, on_call: OnCall) -> None:
        super().__init__()
        self._names = {id(tensor): name for name, tensor in named_tensors(wrapper)}
        self._made: list[torch.Tensor] = []  # of weights alone; alive, so that no id comes twice
        self._on_call = on_call
        self._count = 0

    def __torch_function__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if not isinstance(result, torch.Tensor) or not result.is_floating_point():
            return result
        given = tensors_in((args, kwargs))
        weights = tuple(
            CallWeight(self._names[id(tensor)], tensor)
            for tensor in given
            if id(tensor) in self._names
        )
        if not weights:
            return result
        if len(weights) == len(given):
            if id(result) not in self._names:
                self._names[id(result)] = weights[0].name
                self._made.append(result)
            return result
        function = getattr(func, "__name__", str(func))
        call = WeightedCall(self._count, function, weights, tuple(result.shape))
        self._count += 1
        replacement = self._on_call(call, result)
        if replacement is None:
            return result
        in_place = any(result is tensor for tensor in given)
        return result.copy_(replacement) if in_place else replacement
