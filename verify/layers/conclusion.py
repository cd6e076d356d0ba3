"""A diagnosis in a few plain sentences: which layer, whose weights, what went wrong."""

from collections.abc import Sequence
from pathlib import Path

from verify.layers.diagnosis import Diagnosis, Layer
from verify.layers.percentages import percent

_SHOWN = 3
_MOST = 0.5  # of the layers: then it is not one that is wrong, but the checkpoint


def conclude(found: Diagnosis) -> str:
    """What the diagnosis comes to."""
    first = found.first
    if first is None:
        return _sound(found)
    if "weights" in first.departs:
        return _wrong_weights(found, first)
    if "rewrite" in first.departs:
        return _rewritten_wrongly(found, first)
    if "conversion" in first.departs:
        return (
            f"{first.name} departs first: the weights are right, but the float32 file is "
            f"{percent(first.conversion)} away from the wrapper on the same input; the conversion "
            f"went wrong{_since(found, first)}.{_origin(first)}"
        )
    if "quantization" in first.departs:
        return (
            f"{first.name} departs first: {found.precision} is {percent(first.quantization)} away "
            f"from float32 on the same input, far beyond the other layers.{_origin(first)}"
        )
    return (
        f"{first.name} departs first: with XNNPACK it is {percent(first.delegate)} away from the "
        f"interpreter's own kernels on the same file and input.{_origin(first)}"
    )


def _sound(found: Diagnosis) -> str:
    if not found.rewriting.agrees:
        worst = max(found.rewriting.at_outputs.values())
        return (
            f"The wrapper's outputs are {percent(worst)} away from the network's, and no module "
            "tells where; the file repeats what the wrapper computes."
        )
    if not found.ran:
        return "All weights that could be compared are right; the file was not run."
    said = "No layer departs: wrapper, file and delegate compute what the network computes."
    grave = sorted(
        (layer for layer in found.layers if layer.quantization is not None),
        key=lambda layer: layer.quantization or 0.0,
        reverse=True,
    )
    if not grave:
        return said
    most = ", ".join(f"{one.name} ({percent(one.quantization)})" for one in grave[:_SHOWN])
    return f"{said} Of {found.precision}'s rounding the most is made in {most}."


def _wrong_weights(found: Diagnosis, first: Layer) -> str:
    wrong = [layer for layer in found.layers if "weights" in layer.departs]
    weighted = [layer for layer in found.layers if layer.op is not None]
    if len(wrong) > _MOST * len(weighted):
        return (
            f"{len(wrong)} of {len(weighted)} layers hold other weights than this checkpoint's, "
            f"{first.name} being the first: the file was made from another one; convert again."
        )
    told = "; ".join(f"the values of {one.name} {one.explanation}" for one in first.wrong_weights)
    said = f"{first.name} departs first: {told}.{_origin(first)}"
    said += _in_float(found, first)
    if len(wrong) > 1:
        said += f" Wrong, too: {_listed([layer.name for layer in wrong[1:]])}."
    return said


def _in_float(found: Diagnosis, first: Layer) -> str:
    """Whether the weights went wrong before quantization or in it, as far as it shows."""
    if found.float_file is not None:
        name = Path(found.float_file).name
        if first.float_weights_wrong:
            return f" {name} holds them wrong, too: it was not quantization."
        return f" {name} holds them right: it was quantization, or something after it."
    if found.float_made_anew:
        return (
            " A float32 file made anew holds them right: it was quantization, or something after "
            "it, or the file is of other weights."
        )
    return ""


def _rewritten_wrongly(found: Diagnosis, first: Layer) -> str:
    place, before = found.rewriting.first, found.rewriting.last_right
    assert place is not None
    start = f"{before.wrapper}, the last that agrees, and " if before else "the input and "
    return (
        f"{first.name} departs first: the rewrite is wrong, and so is every file made by it. "
        f"Between {start}{place.wrapper} the wrapper computes something else than the network: "
        f"{place.wrapper} is {percent(place.distance)} away from the network's {place.network} on "
        f"the same weights.{_origin(first)}"
    )


def _since(found: Diagnosis, layer: Layer) -> str:
    """Which ops a departure can be made in: those after the layer before."""
    before = found.layers[: found.layers.index(layer)]
    start = f" after {before[-1].name}" if before else ""
    return f"{start}, in {_listed(layer.between)}" if layer.between else start


def _origin(layer: Layer) -> str:
    """What the layer stands for, or what its wrong weights are made of."""
    if layer.tensors is None or layer.network is None:
        return " Which of the network's weights it is made of is not known."
    if not layer.tensors:
        return ""
    where = f" in {_listed(layer.files)}" if layer.files else ""
    if layer.wrong_weights:
        return f" They are made of {_listed(layer.tensors)}{where}."
    return f" It stands for the network's {_listed(layer.network)}{where}."


def _listed(names: Sequence[str]) -> str:
    unique = list(dict.fromkeys(names))
    more = f" and {len(unique) - 2 * _SHOWN} more" if len(unique) > 2 * _SHOWN else ""
    return ", ".join(unique[: 2 * _SHOWN]) + more
