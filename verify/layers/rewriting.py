"""Where a wrapper departs from its network, both in PyTorch on the same weights.

A module of the wrapper and the network's module that its weights come from should give the same
values, in whatever layout; so they are compared in sorted order. Inside a rewrite they need not:
a bias moves to another layer, a query is scaled. What agrees again later was only in another form.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from verify.layers.provenance import named_tensors
from verify.layers.wrapper_run import run_watched

if TYPE_CHECKING:
    from wrappers.spec import Arrays, ModelSpec

SAME = 1e-4
"""The relative distance up to which the two agree: both compute in float32."""

_QUANTILES = 4096


@dataclass(frozen=True)
class RewritePair:
    """A module of the wrapper beside the network's, in the order in which the wrapper runs.

    Attributes:
        wrapper: its name in the wrapper.
        network: the other's name in the network.
        distance: of their values, sorted, relative to the network's.
    """

    wrapper: str
    network: str
    distance: float


@dataclass(frozen=True)
class RewriteFinding:
    """How a wrapper compares with its network on one input.

    Attributes:
        pairs: what could be compared.
        at_outputs: by output name, the distance of the wrapper's from the network's.
        first: the first pair that does not agree and after which nothing does; None where the
            outputs agree, or where no pair tells the place.
        last_right: the last pair before it that agrees.
    """

    pairs: tuple[RewritePair, ...]
    at_outputs: Mapping[str, float]
    first: RewritePair | None
    last_right: RewritePair | None

    @property
    def agrees(self) -> bool:
        """Whether the wrapper computes what the network does."""
        return all(distance <= SAME for distance in self.at_outputs.values())


def compare_with_network(
    spec: "ModelSpec",
    network: nn.Module,
    wrapper: nn.Module,
    origins: Mapping[str, tuple[str, ...]] | None,
    inputs: "Arrays",
) -> RewriteFinding:
    """Run both on one input."""
    with _signatures_of(network) as of_network:
        expected = spec.reference(network, inputs)
    with _signatures_of(wrapper) as of_wrapper:
        actual = run_watched(wrapper, inputs, lambda _call, _result: None)
    ends = {
        name: _apart(torch.from_numpy(actual[name]), torch.tensor(expected[name]))
        for name in expected
    }
    pairs = tuple(_pairs(network, wrapper, origins or {}, of_network, of_wrapper))
    agree = [index for index, pair in enumerate(pairs) if pair.distance <= SAME]
    last = agree[-1] if agree else -1
    right = all(distance <= SAME for distance in ends.values())  # NaN is not
    departed = not right and last + 1 < len(pairs)
    return RewriteFinding(
        pairs,
        ends,
        pairs[last + 1] if departed else None,
        pairs[last] if departed and last >= 0 else None,
    )


def _pairs(
    network: nn.Module,
    wrapper: nn.Module,
    origins: Mapping[str, tuple[str, ...]],
    of_network: "Mapping[str, _Signature]",
    of_wrapper: "Mapping[str, _Signature]",
) -> Iterator[RewritePair]:
    """Each module of the wrapper with the last of the network's that is made of its weights alone.

    Of modules that stand for the same one, the outermost counts, which gives last.
    """
    below = {name: _weights_below(network, name) for name in of_network}
    found: dict[str, RewritePair] = {}
    for name, signature in of_wrapper.items():
        made_of = {
            origin for own in _weights_below(wrapper, name) for origin in origins.get(own, ())
        }
        candidates = [other for other in of_network if below[other] and below[other] <= made_of]
        if not candidates or of_network[candidates[-1]].count != signature.count:
            continue
        other = candidates[-1]
        distance = _apart(signature.quantiles, of_network[other].quantiles)
        found.pop(other, None)
        found[other] = RewritePair(name, other, distance)
    yield from found.values()


def _weights_below(module: nn.Module, name: str) -> frozenset[str]:
    inside = f"{name}." if name else ""
    return frozenset(own for own, _ in named_tensors(module) if own.startswith(inside))


@dataclass(frozen=True, eq=False)
class _Signature:
    """What a module gave, in little memory: how many values, and some of them in sorted order."""

    count: int
    quantiles: torch.Tensor


@contextmanager
def _signatures_of(module: nn.Module) -> Iterator[dict[str, _Signature]]:
    """By name, in the order in which the modules end, what each of them gives while this lasts."""
    found: dict[str, _Signature] = {}

    def noting(name: str) -> Callable[[Any, Any, Any], None]:
        def note(_module: Any, _given: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor) and output.is_floating_point():
                found.pop(name, None)
                found[name] = _signature(output)

        return note

    hooks = [child.register_forward_hook(noting(name)) for name, child in module.named_modules()]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def _signature(values: torch.Tensor) -> _Signature:
    ordered = values.detach().flatten().sort().values
    step = max(1, len(ordered) // _QUANTILES)
    return _Signature(len(ordered), ordered[::step].clone())


def _apart(actual: torch.Tensor, expected: torch.Tensor) -> float:
    norm = float(expected.double().norm())
    away = float((actual.double() - expected.double()).norm())
    return away / norm if norm else away
