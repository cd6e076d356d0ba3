"""Which of the figures of a layer are out of the ordinary."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from verify.layers.comparison import OUTPUT, Comparison
from verify.layers.diagnosis import STEPS, Layer, Step
from verify.layers.rewriting import SAME, RewriteFinding, RewritePair
from verify.layers.stored_weights import WeightFinding

# PyTorch's float32 and LiteRT's are up to 1e-6 apart in a layer.
_OF_FLOATS = 1e-4
# What rounding costs in a layer: mostly 2e-4 in float16 and 0.01 in int8, and four times that where
# a layer's terms nearly cancel, measured on the models of the registry.
_OF_ROUNDING = {"fp32": _OF_FLOATS, "fp16": 5e-3}
_OF_INTEGERS = 0.1
_BEYOND_OTHERS = 6  # times the median layer
_NEVER_USUAL = 0.5
_NONSENSE = 1e6  # times the right values
_UNROUNDED = 1e-5  # below this, nothing in the layer was rounded


@dataclass(frozen=True)
class Origins:
    """Where weights come from, as far as it is known.

    Attributes:
        tensors: the wrapper's weights to the network's tensors that they are made of.
        order: the network's tensors, in its own order.
        files: the network's tensors to the checkpoint's files.
    """

    tensors: Mapping[str, tuple[str, ...]] | None
    order: Sequence[str]
    files: Mapping[str, tuple[str, ...]]

    def of(self, weights: Iterable[str]) -> tuple[str, ...] | None:
        """The network's tensors that any of the weights is made of."""
        if self.tensors is None:
            return None
        made_of = {name for weight in weights for name in self.tensors.get(weight, ())}
        return tuple(name for name in self.order if name in made_of)

    def files_of(self, tensors: Iterable[str]) -> tuple[str, ...] | None:
        """The files that hold these tensors; None where one is in none under its name."""
        names = list(tensors)
        if not all(name in self.files for name in names):
            return None
        return tuple(sorted({file for name in names for file in self.files[name]}))


def find_bounds(precision: str, layers: Sequence[Comparison]) -> dict[Step, float]:
    """By step, the distance above which a layer departs: far above what it costs elsewhere."""
    rounding = _OF_ROUNDING.get(precision, _OF_INTEGERS)

    def usual(values: Iterable[float | None]) -> float:
        rounded = [value for value in values if value is not None and value > _UNROUNDED]
        return min(_BEYOND_OTHERS * median(rounded), _NEVER_USUAL) if rounded else 0.0

    of_delegate = _OF_FLOATS
    if rounding == _OF_INTEGERS:  # each way of computing rounds activations in its own way
        of_delegate = max(rounding, usual(layer.delegate for layer in layers))
    return {
        "rewrite": _OF_FLOATS,
        "conversion": _OF_FLOATS,
        "quantization": max(rounding, usual(layer.quantization for layer in layers)),
        "delegate": of_delegate,
    }


def judge_layers(
    layers: Sequence[Comparison],
    bounds: Mapping[Step, float],
    origins: Origins,
    rewriting: RewriteFinding,
    *,
    joined: bool = False,
) -> list[Layer]:
    """Each layer with where its weights come from and the steps that go wrong in it.

    Args:
        layers: as they run.
        bounds: by step, see `find_bounds`.
        origins: of the wrapper's weights.
        rewriting: the wrapper beside the network.
        joined: whether the converter may have joined one layer's weights with another's.
    """
    pairs = _by_layer(layers, rewriting)
    found = []
    nonsense = False
    for place, given in enumerate(layers):
        # Of numbers near the end of float32 every runtime makes something else.
        layer = _unmeasured(given) if nonsense else given
        nonsense = nonsense or _above(given.inherited, _NONSENSE)
        in_float, shown = _wrong_weights(layer, bounds, joined=joined)
        tensors = origins.of([item.name for item in shown] or layer.weights)
        distance = pairs[place].distance if place in pairs else None
        if not layer.weights:
            distance = rewriting.at_outputs.get(layer.name.removeprefix(OUTPUT))
        departing = {
            "weights": bool(shown),
            "rewrite": place in pairs and pairs[place] is rewriting.first,
            "conversion": _above(layer.conversion, bounds["conversion"]),
            "quantization": _above(layer.quantization, bounds["quantization"]),
            "delegate": _above(layer.delegate, bounds["delegate"]),
        }
        found.append(
            Layer(
                name=layer.name,
                network=None if tensors is None else _modules(tensors),
                tensors=tensors,
                files=None if tensors is None else origins.files_of(tensors),
                op=layer.op,
                tensor=layer.tensor,
                between=layer.between,
                rewrite=distance,
                conversion=layer.conversion,
                quantization=layer.quantization,
                delegate=layer.delegate,
                inherited=layer.inherited,
                wrong_weights=shown,
                float_weights_wrong=bool(in_float),
                departs=tuple(step for step in STEPS if departing[step]),
            )
        )
    return found


def _unmeasured(layer: Comparison) -> Comparison:
    """The layer without the distances that were measured behind numbers of no meaning."""
    return replace(layer, conversion=None, quantization=None, delegate=None)


def _wrong_weights(
    layer: Comparison, bounds: Mapping[Step, float], *, joined: bool
) -> tuple[tuple[WeightFinding, ...], tuple[WeightFinding, ...]]:
    """The weights that are wrong beyond doubt: in the float32 file beneath, and in either."""

    def certain(
        findings: Iterable[WeightFinding], off: float | None, bound: float
    ) -> tuple[WeightFinding, ...]:
        # Joining layers changes all of a weight, and leaves what the layer gives as it is.
        explained = joined if off is None else off <= bound
        return tuple(item for item in findings if item.scattered or not explained)

    if layer.wrong_in_float is None:
        return (), certain(layer.wrong, layer.conversion, bounds["conversion"])
    in_float = certain(layer.wrong_in_float, layer.conversion, bounds["conversion"])
    if in_float or not layer.wrong_in_float:
        # What is no rounding of the float32 file's right weights is wrong, however little.
        return in_float, layer.wrong or in_float
    return in_float, certain(layer.wrong, layer.quantization, bounds["quantization"])


def _above(distance: float | None, bound: float) -> bool:
    return distance is not None and not distance <= bound


def _modules(tensors: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.rpartition(".")[0] or name for name in tensors))


def _by_layer(layers: Sequence[Comparison], rewriting: RewriteFinding) -> Mapping[int, RewritePair]:
    """By place, the pair whose wrapper module ends with this layer, as far as it tells anything."""
    found: dict[int, RewritePair] = {}
    first = rewriting.first
    departed = False
    for pair in rewriting.pairs:
        departed = departed or pair is first
        inside = [
            place
            for place, layer in enumerate(layers)
            if any(f"{name}.".startswith(f"{pair.wrapper}.") for name in layer.weights)
        ]
        # Before the departure, what does not agree is only in another form.
        told = departed or pair.distance <= SAME
        if inside and told and (first is None or found.get(inside[-1]) is not first):
            found[inside[-1]] = pair
    return found
