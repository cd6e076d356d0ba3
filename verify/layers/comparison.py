"""The runs of a file and of the float32 file beneath it, side by side for each layer."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from verify.layers.deviations import Deviation, Run
from verify.layers.examination import Examined
from verify.layers.stored_weights import WeightFinding
from verify.layers.wrapper_run import WeightedCall

OUTPUT = "output "
"""How the names of outputs begin, which no module's can."""

_MODULES_OWN = {"weight", "bias"}


@dataclass(frozen=True)
class Comparison:
    """One operation of the wrapper that takes weights, or one output of the model.

    All distances are relative, and None where there is nothing to compare.

    Attributes:
        name: the wrapper's module, or its weight where an operation takes that by itself.
        weights: the wrapper's that the layer takes; none for an output.
        op: the file's op; None for an output, and where the converter joined it with another.
        tensor: the name of what this op gives.
        between: the kinds of the ops since the layer before, this one's included.
        inherited: of the file from the wrapper, made in this layer or before.
        conversion: of the float32 file from the wrapper.
        quantization: of the file from the float32 file; None where that is itself.
        delegate: with XNNPACK from without.
        wrong: the weights that the file holds wrong.
        wrong_in_float: those that the float32 file holds wrong; None where that is the file itself.
    """

    name: str
    weights: tuple[str, ...]
    op: str | None
    tensor: str | None
    between: tuple[str, ...]
    inherited: float | None = None
    conversion: float | None = None
    quantization: float | None = None
    delegate: float | None = None
    wrong: tuple[WeightFinding, ...] = ()
    wrong_in_float: tuple[WeightFinding, ...] | None = None


def side_by_side(calls: Iterable[WeightedCall], own: Examined, exact: Examined) -> list[Comparison]:
    """All layers in the order of the wrapper's operations, then the outputs.

    `exact` is the float32 file's, and may be the same as `own`.
    """
    delegated = own.delegated or Run({}, {})
    found = []
    before = -1
    for call in calls:
        point = own.points.get(call.index)
        if point is None:  # one op does this and a later operation, which stands for both
            continue
        op = point.op
        between: tuple[str, ...] = ()
        if op is not None:
            between = tuple(item.kind for item in own.ops if before < item.index <= op.index)
            before = max(before, op.index)
        weights = [pair.wanted.name for pair in point.weights]
        weights += [weight.name for weight in call.weights]
        layer = Comparison(
            name=layer_name(call),
            weights=tuple(dict.fromkeys(weights)),
            op=None if op is None else op.kind,
            tensor=None if op is None else own.tensors[op.output],
            between=between,
            wrong=own.wrong.get(call.index, ()),
            wrong_in_float=None if exact is own else exact.wrong.get(call.index, ()),
        )
        runs = (run.at_calls.get(call.index) for run in (own.run, exact.run, delegated))
        found.append(_measured(layer, *runs))
    rest = tuple(item.kind for item in own.ops if item.index > before)
    for name in own.run.at_outputs:
        layer = Comparison(f"{OUTPUT}{name}", (), None, None, rest)
        runs = (run.at_outputs.get(name) for run in (own.run, exact.run, delegated))
        found.append(_measured(layer, *runs))
    return found


def layer_name(call: WeightedCall) -> str:
    """The module that an operation takes all of; otherwise the first weight that it takes."""
    module, _, leaf = call.weights[0].name.rpartition(".")
    leaves = {weight.name.rpartition(".")[2] for weight in call.weights}
    return module if module and leaves <= _MODULES_OWN else f"{module}.{leaf}".lstrip(".")


def _measured(
    layer: Comparison,
    own: Deviation | None,
    exact: Deviation | None,
    delegated: Deviation | None,
) -> Comparison:
    """The layer with the distances that its runs tell."""
    quantization = delegate = None
    if own is not None and exact is not own:
        quantization = own.own if exact is None else own.beyond(exact)
    if own is not None and delegated is not None:
        delegate = delegated.beyond(own)
    return replace(
        layer,
        inherited=None if own is None else own.inherited,
        conversion=None if exact is None else exact.own,
        quantization=quantization,
        delegate=delegate,
    )
