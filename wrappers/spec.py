"""What a model is, in values: how to build it, what goes in and out, what it must keep.

One `ModelSpec` per model; `wrappers/registry.py` finds them by name.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    Arrays = Mapping[str, NDArray[np.float32]]

Layout = Literal["features", "nchw", "nhwc"]


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of the .tflite, as an app developer needs to know it."""

    name: str
    shape: tuple[int, ...]
    layout: Layout
    value_range: str
    meaning: str
    dtype: str = "float32"


@dataclass(frozen=True)
class Contract:
    """The inputs and outputs of one built model; their shapes depend on its checkpoint."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def to_json(self) -> dict[str, Any]:
        """The contract as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Limit:
    """The worst value of a metric that still passes: at most, or at least, `bound`."""

    metric: str
    bound: float
    sense: Literal["at_most", "at_least"]

    def admits(self, value: float) -> bool:
        """Whether the value passes; NaN never does."""
        return value <= self.bound if self.sense == "at_most" else value >= self.bound

    def margin(self, value: float) -> float:
        """How far inside the limit the value lies, in the metric's unit; negative outside."""
        return self.bound - value if self.sense == "at_most" else value - self.bound


def at_most(metric: str, bound: float) -> Limit:
    """A limit from above."""
    return Limit(metric, bound, "at_most")


def at_least(metric: str, bound: float) -> Limit:
    """A limit from below."""
    return Limit(metric, bound, "at_least")


@dataclass(frozen=True)
class ModelSpec:
    """Everything that conversion and verification know about a model.

    Attributes:
        name: as given to `--model` and written into the card.
        file_stem: the beginning of the names of its .tflite files.
        summary: one line of plain words.
        load_network: checkpoint contents to the network in eval mode, its weights loaded
            strictly; raises BadInputError for a checkpoint of something else.
        build_wrapper: network to the rewritten module that is converted. Its forward takes the
            contract's inputs as keyword arguments and returns a dict of its outputs.
        build_plain: network to the least-changed module that the converter takes, with the same
            signature; benchmarks compare against it.
        contract: the inputs and outputs of a built network.
        make_samples: `(contract, count, seed)` to that many inputs by name.
        reference: the *network*, run on inputs as the contract gives them, answering as the
            contract says. It must not pass through the wrapper: a wrong rewrite must show.
        metrics: the names of the metrics (verify/metrics.py) that judge it.
        output_span: `(lowest, highest)` value an output may take.
        limits: by precision, the limits that a verdict holds it to.
    """

    name: str
    file_stem: str
    summary: str
    load_network: "Callable[[Mapping[str, Any], str], nn.Module]"
    build_wrapper: "Callable[[Any], nn.Module]"
    build_plain: "Callable[[Any], nn.Module]"
    contract: "Callable[[Any], Contract]"
    make_samples: "Callable[[Contract, int, int], list[Arrays]]"
    reference: "Callable[[Any, Arrays], Arrays]"
    metrics: tuple[str, ...]
    output_span: tuple[float, float]
    limits: Mapping[str, tuple[Limit, ...]]
