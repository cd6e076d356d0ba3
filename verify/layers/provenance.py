"""Which of a network's tensors each weight of its wrapper is made of, by watching it being built.

Nobody has to write this down for a model, and it cannot go out of date: names follow the values
through every operation of `build_wrapper`. It runs on the meta device, without the values.
"""

import copy
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode

_LARGEST_COPY = 1 << 30  # bytes of weights that are copied where the meta device does not do
Names = frozenset[str]


def provenance(
    build_wrapper: Callable[[Any], nn.Module], network: nn.Module
) -> Mapping[str, tuple[str, ...]] | None:
    """The wrapper's parameters and buffers, each with the network's tensors that flow into it.

    One that is made of none of them, such as a fixed matrix, has an empty tuple. None where it
    cannot be known: the wrapper looks at values, and the network is too large to copy.
    """
    try:
        return _watched(build_wrapper, network, _empty)
    except (RuntimeError, NotImplementedError, TypeError, ValueError):
        # What the meta device has no values for ends in one of these.
        if sum(tensor.nbytes for _, tensor in named_tensors(network)) > _LARGEST_COPY:
            return None
        return _watched(build_wrapper, network, torch.clone)


def named_tensors(module: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Its parameters and its buffers that hold fractions, by name."""
    for name, tensor in itertools.chain(module.named_parameters(), module.named_buffers()):
        if tensor.is_floating_point():
            yield name, tensor


def _watched(
    build_wrapper: Callable[[Any], nn.Module],
    network: nn.Module,
    copied: Callable[[torch.Tensor], torch.Tensor],
) -> Mapping[str, tuple[str, ...]]:
    copies: dict[int, Any] = {}
    origins = _Origins()
    for name, tensor in itertools.chain(network.named_parameters(), network.named_buffers()):
        values = copied(tensor.detach())
        is_parameter = isinstance(tensor, nn.Parameter)
        copies[id(tensor)] = nn.Parameter(values, requires_grad=False) if is_parameter else values
        if tensor.is_floating_point():
            origins.add(values, frozenset({name}))
    twin = copy.deepcopy(network, copies)
    device = next(iter(copies.values())).device if copies else torch.device("cpu")
    with torch.no_grad(), device, origins:
        wrapper = build_wrapper(twin)
    return {name: tuple(sorted(origins.of(tensor))) for name, tensor in named_tensors(wrapper)}


def _empty(tensor: torch.Tensor) -> torch.Tensor:
    return torch.empty_like(tensor, device="meta")


class _Origins(TorchFunctionMode):
    """Hands names on from what goes into an operation to what comes out of it, by memory.

    By memory and not by tensor, so that a view shares what is known, in both directions.
    """

    def __init__(self) -> None:
        super().__init__()
        self._names: dict[StorageWeakRef, Names] = {}
        self._alive: list[torch.Tensor] = []  # so that no place is given away twice

    def add(self, tensor: torch.Tensor, names: Names) -> None:
        """Let the tensor's memory hold these, too."""
        place = _place(tensor)
        if place not in self._names:
            self._alive.append(tensor)
        self._names[place] = self._names.get(place, frozenset()) | names

    def of(self, tensor: torch.Tensor) -> Names:
        """What its memory is made of."""
        return self._names.get(_place(tensor), frozenset())

    def __torch_function__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call the function and hand the names on."""
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        if name.startswith("new_") or name.endswith("_like"):  # these take a shape, not values
            return result
        given = tensors_in((args, kwargs))
        names = frozenset[str]().union(*map(self.of, given))
        if names:
            written = tensors_in(result)
            if given and (name == "__setitem__" or (name.endswith("_") and name[:2] != "__")):
                written.append(given[0])
            for tensor in written:
                self.add(tensor, names)
        return result


def _place(tensor: torch.Tensor) -> StorageWeakRef:
    return StorageWeakRef(tensor.untyped_storage())  # type: ignore[no-untyped-call]  # torch's own


def tensors_in(value: Any) -> list[torch.Tensor]:
    """The tensors in nested lists, tuples and dictionaries."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, Mapping):
        value = value.values()
    elif not isinstance(value, list | tuple):
        return []
    return [tensor for item in value for tensor in tensors_in(item)]
