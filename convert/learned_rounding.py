"""Integers, scales and biases chosen so that the outputs of a model stay where they were.

Each weight may be rounded up or down; which way is learned, by gradients through the whole model,
from samples alone: what is to be met are the outputs of the float model and of each of its layers.
After AdaRound (Nagel et al. 2020) and LSQ (Esser et al. 2020), with what each input is rounded to
on its way counted in.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convert.differentiable import Change, Graph
from convert.rounded_layers import Arrays, Layer, RoundedWeight, best_scale, largest_integer

STEPS = 400
_BATCH = 16
# Per step of Adam: of the logarithm of a scale; for the others in proportion.
_RATE = 5e-4
_RATE_OF_ROUNDING = 20.0
_RATE_OF_BIAS = 0.3
_WARM_UP = 0.05
# What the layers' outputs count beside the model's: without them few samples are met by chance.
_OF_LAYERS = 0.3
_EITHER_WAY = 0.5  # steps: up or down, and nowhere else


def learn_rounding(
    graph: Graph,
    layers: Sequence[Layer],
    samples: Sequence[Arrays],
    *,
    stand_ins: Mapping[int, Tensor],
    changed_inputs: Mapping[int, Change],
    correct_biases: bool,
    steps: int = STEPS,
    seed: int = 0,
) -> tuple[dict[int, RoundedWeight], dict[int, NDArray[np.float32]]]:
    """Weights and biases by the index of their tensors, the same for the same samples and seed.

    Args:
        graph: the float model.
        layers: those to round.
        samples: inputs by name, some hundreds of them.
        stand_ins: what stands in for weights that are integers already, by index.
        changed_inputs: by index of an op's output, how its first input is rounded on the way.
        correct_biases: learn the biases too.
        steps: of descent.
        seed: of the order of samples.
    """
    stacked = {
        name: torch.from_numpy(np.stack([sample[name] for sample in samples]))
        for name in samples[0]
    }
    kept, outputs = [layer.output for layer in layers], list(graph.outputs.values())
    every = {*kept, *outputs}
    weights = {layer.weight: _Rounding(graph.constants[layer.weight], layer) for layer in layers}
    biases = {
        layer.bias: graph.constants[layer.bias].clone().requires_grad_()
        for layer in layers
        if correct_biases and layer.bias is not None
    }
    descent = torch.optim.Adam(
        [
            {"params": [each.up for each in weights.values()], "lr": _RATE * _RATE_OF_ROUNDING},
            {"params": [each.stretch for each in weights.values()], "lr": _RATE},
            {"params": list(biases.values()), "lr": _RATE * _RATE_OF_BIAS},
        ]
    )
    rates = [group["lr"] for group in descent.param_groups]
    schedule = torch.optim.lr_scheduler.OneCycleLR(descent, rates, steps, pct_start=_WARM_UP)
    draw = np.random.default_rng(seed)
    for _ in range(steps):
        chosen = torch.from_numpy(
            draw.choice(len(samples), min(_BATCH, len(samples)), replace=False)
        )
        batch = {name: values[chosen] for name, values in stacked.items()}
        with torch.no_grad():
            wanted = graph.run(batch, {}, every)
        rounded = {index: each.values() for index, each in weights.items()}
        found = graph.run(batch, {**stand_ins, **biases, **rounded}, every, changed_inputs)
        of_layers = [_departure(found[index], wanted[index]) for index in kept]
        of_outputs = [_departure(found[index], wanted[index]) for index in outputs]
        loss = torch.stack(of_outputs).sum() + _OF_LAYERS * torch.stack(of_layers).mean()
        descent.zero_grad()
        loss.backward()
        descent.step()
        schedule.step()
    with torch.no_grad():
        return (
            {index: each.result() for index, each in weights.items()},
            {index: values.detach().numpy() for index, values in biases.items()},
        )


class _Rounding:
    """One weight while it is learned: which way each value is rounded, and the scales."""

    def __init__(self, weight: Tensor, layer: Layer) -> None:
        self._weight = weight
        self._largest = largest_integer(layer.bits)
        self._scale = best_scale(weight, self._largest)
        self.up = torch.zeros_like(weight, requires_grad=True)
        self.stretch = torch.zeros_like(self._scale, requires_grad=True)

    def _integers(self, scale: Tensor) -> Tensor:
        way = self._weight / scale + self.up.clamp(-_EITHER_WAY, _EITHER_WAY)
        # As if rounding were none, so that gradients pass.
        rounded = way + (way.round() - way).detach()
        return rounded.clamp(-self._largest, self._largest)

    def values(self) -> Tensor:
        """What the integers stand for now."""
        scale = self._scale * self.stretch.exp()
        return self._integers(scale) * scale

    def result(self) -> RoundedWeight:
        scale = self._scale * self.stretch.exp()
        integers = self._integers(scale).round().to(torch.int8)
        return RoundedWeight(integers.numpy(), scale.reshape(-1).numpy())


def _departure(values: Tensor, wanted: Tensor) -> Tensor:
    """The squared difference, of a batch, as a share of how much what is wanted varies."""
    return (values - wanted).square().mean() / wanted.var().clamp(min=1e-12)
