"""Integers of a layer chosen together, so that what the layer gives changes least: GPTQ.

Rounding one weight of a row is made up for by those that are not rounded yet, as much as the
inputs that the layer gets allow (Frantar et al. 2022). Before that, the weights are moved to where
they do best from these inputs, which layers before it have changed by being rounded themselves.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]
Exact = NDArray[np.float64]

_DAMPING = 0.01  # of the mean of the Hessian's diagonal, as GPTQ has it
# And more, the fewer rows of inputs there are for each of its columns: chance is not to be met.
_DAMPING_OF_CHANCE = 0.2
# The scales that are tried, as shares of the one that cuts nothing.
_SHARES = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6)
_TINY = 1e-12


@dataclass(frozen=True, eq=False)
class RoundedRows:
    """Weights as integers of (rows, columns), and what a 1 is worth in each row."""

    integers: NDArray[np.int8]
    scale: Values

    def values(self) -> Values:
        """What the integers stand for."""
        return self.integers * self.scale[:, None]


@dataclass(frozen=True, eq=False)
class LayerInputs:
    """What is known of the rows of inputs that a layer multiplies by its weights.

    Attributes:
        count: how many rows there were.
        hessian: (columns, columns), the mean of the products of the columns.
        crossed: the same of what comes in and of what was lost on the way to it.
        mean: (columns,) of what comes in.
        mean_wanted: (columns,) of what came in to the float model's layer.
    """

    count: int
    hessian: Exact
    crossed: Exact
    mean: Exact
    mean_wanted: Exact

    @property
    def damping(self) -> float:
        """As a share of the mean of the Hessian's diagonal."""
        return _DAMPING + _DAMPING_OF_CHANCE * len(self.mean) / max(self.count, 1)

    def best_weights(self, weights: Exact) -> Exact:
        """Those that meet best what `weights` give from the float model's inputs."""
        damped = _damped(self.hessian, self.damping)
        return np.asarray(weights + np.linalg.solve(damped, self.crossed @ weights.T).T)


def gather_inputs(pairs: Iterable[tuple[Values, Values]], columns: int) -> LayerInputs:
    """From rows as they come in now, and as they came in to the float model's layer."""
    count = 0
    hessian, crossed = np.zeros((columns, columns)), np.zeros((columns, columns))
    total, total_wanted = np.zeros(columns), np.zeros(columns)
    for rows, wanted in pairs:
        count += len(rows)
        hessian += rows.T @ rows
        crossed += rows.T @ (wanted - rows)
        total += rows.sum(0, dtype=np.float64)
        total_wanted += wanted.sum(0, dtype=np.float64)
    share = 1 / max(count, 1)
    return LayerInputs(count, hessian * share, crossed * share, total * share, total_wanted * share)


def round_rows(weights: NDArray[np.floating], inputs: LayerInputs, bits: int) -> RoundedRows:
    """Integers and scales for rows of weights, (rows, columns).

    By the inputs given, no row does worse than when it is rounded to the nearest.
    The lowest integer, such as -8, is left out: LiteRT's own kernels for 4 bits get it wrong.
    """
    exact = np.asarray(weights, np.float64)
    largest = 2 ** (bits - 1) - 1
    wanted = inputs.best_weights(exact)
    full = np.maximum(np.abs(exact).max(1, keepdims=True), _TINY) / largest
    nearest = np.clip(np.round(exact / full), -largest, largest)
    scale = _best_scale(wanted, largest)
    chosen = _made_up_for(wanted, scale, _damped(inputs.hessian, inputs.damping), largest)
    product = chosen @ inputs.hessian
    # The scale that does best with these integers, in closed form.
    better = (product * wanted).sum(1, keepdims=True)
    better /= np.maximum((product * chosen).sum(1, keepdims=True), _TINY)
    best, best_scale = nearest, full
    least = _loss(best * best_scale - wanted, inputs.hessian)
    for integers, tried in ((chosen, scale), (chosen, np.where(better > 0, better, scale))):
        loss = _loss(integers * tried - wanted, inputs.hessian)
        best = np.where(loss < least, integers, best)
        best_scale = np.where(loss < least, tried, best_scale)
        least = np.minimum(loss, least)
    return RoundedRows(best.astype(np.int8), best_scale[:, 0].astype(np.float32))


def corrected_bias(
    weights: NDArray[np.floating], rounded: RoundedRows, bias: Values, inputs: LayerInputs
) -> Values:
    """The bias that leaves the mean of each channel where the float model has it."""
    wanted = np.asarray(weights, np.float64) @ inputs.mean_wanted
    given = rounded.values().astype(np.float64) @ inputs.mean
    return (bias + (wanted - given)).astype(np.float32)


def _made_up_for(weights: Exact, scale: Exact, hessian: Exact, largest: int) -> Exact:
    """Integers column by column, what each rounding leaves made up for by the columns to come."""
    order = np.argsort(-hessian.diagonal(), kind="stable")
    inverse = np.linalg.cholesky(np.linalg.inv(hessian[np.ix_(order, order)])).T
    rest, integers = weights[:, order].copy(), np.empty_like(weights)
    for column in range(weights.shape[1]):
        now = rest[:, column : column + 1]
        integer = np.clip(np.round(now / scale), -largest, largest)
        left = (now - integer * scale) / inverse[column, column]
        rest[:, column + 1 :] -= left * inverse[column, column + 1 :]
        integers[:, order[column]] = integer[:, 0]
    return integers


def _best_scale(weights: Exact, largest: int) -> Exact:
    """Per row, (rows, 1), the scale by which rounding to the nearest leaves least."""
    full = np.maximum(np.abs(weights).max(1, keepdims=True), _TINY) / largest
    best, least = full, np.full_like(full, np.inf)
    for share in _SHARES:
        scale = full * share
        values = np.clip(np.round(weights / scale), -largest, largest) * scale
        error = np.square(values - weights).sum(1, keepdims=True)
        best, least = np.where(error < least, scale, best), np.minimum(error, least)
    return np.asarray(best)


def _damped(hessian: Exact, damping: float) -> Exact:
    extra = damping * max(float(hessian.diagonal().mean()), _TINY)
    return np.asarray(hessian + extra * np.eye(len(hessian)))


def _loss(error: Exact, hessian: Exact) -> Exact:
    return np.asarray(((error @ hessian) * error).sum(1, keepdims=True))
