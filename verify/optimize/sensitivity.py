"""What each layer costs and saves in each of its formats, alone among layers left in float32."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from convert.quantization.recipe import Rule
from verify.optimize.evaluation import Result
from verify.optimize.layers import Assignment, Layer, all_float

Probe: TypeAlias = Callable[[Sequence[Assignment]], Sequence[Result]]


@dataclass(frozen=True)
class Option:
    """A format of one layer.

    Attributes:
        rule: the format.
        saved_bytes: of the file without its card, against the layer in float32.
        error: of the outputs, with this layer alone in the format.
    """

    rule: Rule
    saved_bytes: int
    error: float


Sensitivity: TypeAlias = tuple[tuple[Option, ...], ...]  # by layer; the first is float32


def measure_sensitivity(layers: Sequence[Layer], probe: Probe) -> Sensitivity:
    """Every format of every layer; one that cannot be made, or saves nothing, is left out."""
    exact = all_float(layers)
    asked = [
        (place, rule)
        for place, layer in enumerate(layers)
        for rule in layer.formats
        if rule != exact[place]
    ]
    alone = [(*exact[:place], rule, *exact[place + 1 :]) for place, rule in asked]
    whole, *results = probe([exact, *alone])
    options = [[Option(rule, 0, 0.0)] for rule in exact]
    for (place, rule), result in zip(asked, results, strict=True):
        saved = whole.bare_bytes - result.bare_bytes
        if result.fault is None and saved > 0:
            options[place].append(Option(rule, saved, max(result.error - whole.error, 0.0)))
    return tuple(map(tuple, options))
