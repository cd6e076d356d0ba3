"""Integers chosen layer by layer so that what each layer gives changes least: GPTQ.

Rounding one weight of a row is made up for by those that are not rounded yet, as much as the
inputs that the layer really gets allow (Frantar et al. 2022). Those inputs are computed with the
layers before it rounded already, and its weights are first moved to where they meet the float
model's outputs from these inputs best.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convert.differentiable import Change, Graph, Step
from convert.differentiable_ops import patches
from convert.rounded_layers import Arrays, Layer, RoundedWeight, best_scale, largest_integer

_DAMPING = 0.01  # of the mean of the Hessian's diagonal, as GPTQ has it
_BATCH = 8


def round_by_hessian(
    graph: Graph,
    layers: Sequence[Layer],
    samples: Sequence[Arrays],
    *,
    stand_ins: Mapping[int, Tensor],
    changed_inputs: Mapping[int, Change],
    correct_biases: bool,
) -> tuple[dict[int, RoundedWeight], dict[int, NDArray[np.float32]]]:
    """Weights and biases by the index of their tensors.

    Args:
        graph: the float model.
        layers: those to round, in the order of execution.
        samples: inputs by name.
        stand_ins: what stands in for weights that are integers already, by index.
        changed_inputs: by index of an op's output, how its first input is rounded on the way.
        correct_biases: give the biases that leave each channel's mean where it was.
    """
    steps = {step.output: step for step in graph.steps}
    constants = dict(stand_ins)
    weights: dict[int, RoundedWeight] = {}
    biases: dict[int, NDArray[np.float32]] = {}
    with torch.no_grad():
        for layer in layers:
            if layer.weight in weights:  # shared with a layer before
                continue
            weight = graph.constants[layer.weight]
            flat = weight.reshape(len(weight), -1).double()
            seen = _Seen(flat.shape[1])
            for first in range(0, len(samples), _BATCH):
                step = steps[layer.output]
                batch = _stacked(samples[first : first + _BATCH])
                exact = _rows(graph, step, weight, batch, {}, None)
                change = changed_inputs.get(layer.output)
                given = _rows(graph, step, weight, batch, constants, changed_inputs, change)
                seen.add(given, exact)
            found = round_rows(flat, seen.moved(flat), seen.hessian, layer.bits)
            values = torch.from_numpy(found.values()).reshape(weight.shape)
            weights[layer.weight] = RoundedWeight(
                found.integers.reshape(tuple(weight.shape)), found.scale
            )
            constants[layer.weight] = values
            if correct_biases and layer.bias is not None and layer.bias not in biases:
                shift = flat @ seen.mean_exact - values.reshape(flat.shape).double() @ seen.mean
                bias = graph.constants[layer.bias] + shift.float()
                constants[layer.bias], biases[layer.bias] = bias, bias.numpy()
    return weights, biases


def round_rows(wanted: Tensor, start: Tensor, hessian: Tensor, bits: int) -> RoundedWeight:
    """Integers and scales for rows of weights, (rows, columns) in float64.

    Whatever the Hessian, no row comes out worse by it than rounded to the nearest.

    Args:
        wanted: the weights that rounding to the nearest starts from.
        start: those that do best from the inputs that are given.
        hessian: (columns, columns), the mean of the products of inputs.
        bits: of an integer.
    """
    largest = largest_integer(bits)
    candidates = []
    for weight, scale in (
        (wanted, best_scale(wanted, largest, shares=(1.0,))),
        (wanted, best_scale(wanted, largest)),
    ):
        candidates.append(((weight / scale).round().clamp(-largest, largest), scale))
    scale = best_scale(start, largest)
    integers = _made_up_for(start, scale, hessian, largest)
    # The best scale for these integers, in closed form.
    product = integers @ hessian
    length = (product * integers).sum(1, keepdim=True)
    better = (product * start).sum(1, keepdim=True) / length.clamp(min=1e-30)
    candidates += [(integers, scale), (integers, torch.where(better > 0, better, scale))]
    kept, kept_scale = candidates[0]
    least = _loss(kept * kept_scale - start, hessian)
    for tried, tried_scale in candidates[1:]:
        loss = _loss(tried * tried_scale - start, hessian)
        kept = torch.where(loss < least, tried, kept)
        kept_scale = torch.where(loss < least, tried_scale, kept_scale)
        least = torch.minimum(loss, least)
    return RoundedWeight(kept.to(torch.int8).numpy(), kept_scale.reshape(-1).float().numpy())


def _made_up_for(weight: Tensor, scale: Tensor, hessian: Tensor, largest: int) -> Tensor:
    """Integers of each row, column by column, what each rounding leaves made up for by the rest."""
    order = hessian.diagonal().argsort(descending=True)
    damped = _damped(hessian)[order][:, order]
    inverse = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(damped)), upper=True)
    rest, integers = weight[:, order].clone(), torch.empty_like(weight)
    for column in range(weight.shape[1]):
        integer = (rest[:, column : column + 1] / scale).round().clamp(-largest, largest)
        left = (rest[:, column : column + 1] - integer * scale) / inverse[column, column]
        rest[:, column:] -= left * inverse[column, column:]
        integers[:, order[column]] = integer[:, 0]
    return integers


def _damped(hessian: Tensor) -> Tensor:
    extra = _DAMPING * hessian.diagonal().mean().clamp(min=1e-12)
    return hessian + extra * torch.eye(len(hessian), dtype=hessian.dtype)


def _loss(error: Tensor, hessian: Tensor) -> Tensor:
    return ((error @ hessian) * error).sum(1, keepdim=True)


class _Seen:
    """What is known of a layer's inputs: their means, and the means of their products."""

    def __init__(self, columns: int) -> None:
        self._count = 0
        self._given = torch.zeros(columns, columns, dtype=torch.float64)
        self._crossed = torch.zeros(columns, columns, dtype=torch.float64)
        self._sum = torch.zeros(columns, dtype=torch.float64)
        self._sum_exact = torch.zeros(columns, dtype=torch.float64)

    def add(self, given: Tensor, exact: Tensor) -> None:
        """Rows as they come with earlier layers rounded, and as they came in float."""
        self._count += len(given)
        self._given += (given.T @ given).double()
        self._crossed += (given.T @ (exact - given)).double()
        self._sum += given.double().sum(0)
        self._sum_exact += exact.double().sum(0)

    @property
    def hessian(self) -> Tensor:
        return self._given / self._count

    @property
    def mean(self) -> Tensor:
        return self._sum / self._count

    @property
    def mean_exact(self) -> Tensor:
        return self._sum_exact / self._count

    def moved(self, weight: Tensor) -> Tensor:
        """The weights that make the most of the inputs as they are now."""
        away = self._crossed / self._count @ weight.T
        return weight + torch.linalg.solve(_damped(self.hessian), away).T


def _rows(
    graph: Graph,
    step: Step,
    weight: Tensor,
    batch: Mapping[str, Tensor],
    constants: Mapping[int, Tensor],
    changed_inputs: Mapping[int, Change] | None,
    change: Change | None = None,
) -> Tensor:
    """What the layer multiplies by its weights, a row for each place of its output."""
    source = step.inputs[0]
    assert source is not None
    parts: Any = graph.run(batch, constants, [source], changed_inputs)[source]
    if change:
        parts = torch.func.vmap(change)(parts)
    if step.kind == "CONV_2D":
        kernel = (weight.shape[1], weight.shape[2])
        return patches(step.options, parts.flatten(0, 1), kernel)
    return torch.as_tensor(parts).reshape(-1, weight.shape[1])


def _stacked(samples: Sequence[Arrays]) -> dict[str, Tensor]:
    return {
        name: torch.from_numpy(np.stack([sample[name] for sample in samples]))
        for name in samples[0]
    }
