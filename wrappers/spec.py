"""What a model is, in values: how to build it, what goes in and out, what it must keep.

One `ModelSpec` per model; `wrappers/registry.py` finds them by name.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from chunkport.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    Arrays = Mapping[str, NDArray[np.float32]]

Layout = Literal["features", "nchw", "nhwc"]
Sense = Literal["at_most", "at_least"]
Target = Literal["gpu", "npu"]

_NO_NEED: Mapping[Target, str] = {
    "gpu": "a GPU; leave out --target: its one file is for both, and `chunkport audit` tells what "
    "a GPU makes of it",
    "npu": "an NPU; leave out --target: its one file is what int8-static is made from",
}


@dataclass(frozen=True)
class BuildOptions:
    """What a user may ask of one conversion; None and False leave it to the model.

    A .tflite's card keeps them, so that whoever reads it can build the same again.

    Attributes:
        layout: of the input picture, "nchw" or "nhwc".
        image_size: pixels a side that the network is built for.
        source_size: (height, width) of the pictures given to the .tflite, which then resizes
            them to `image_size` by itself.
        split_outputs: one output per meaning in place of one with all.
        model_card: text of a card that describes another network of the same family.
        target: "gpu" for the form that a phone's GPU computes rightly in float16; "npu" for the
            one whose activations bear to be integers of 8 bits, with one scale for each tensor.
    """

    layout: Literal["nchw", "nhwc"] | None = None
    image_size: int | None = None
    source_size: tuple[int, int] | None = None
    split_outputs: bool = False
    model_card: str | None = None
    target: Target | None = None

    def to_json(self) -> dict[str, Any]:
        """The options that were given, as plain JSON values."""
        return {name: value for name, value in asdict(self).items() if value}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "BuildOptions":
        """Undo `to_json`; raises TypeError for a name that is none of ours."""
        size = values.get("source_size")
        return cls(**{**values, "source_size": None if size is None else (size[0], size[1])})


@dataclass(frozen=True)
class Message:
    """What a detector read in one picture.

    Attributes:
        confidence: the detection logit.
        bits: of the message, 0 or 1, the first one first.
    """

    confidence: float
    bits: tuple[int, ...]

    @property
    def ones(self) -> int:
        """How many bits are 1."""
        return sum(self.bits)

    @property
    def hex(self) -> str:
        """The bits four to a digit, the first one highest; zeros fill the last digit."""
        text = "".join(map(str, self.bits))
        text += "0" * (-len(text) % 4)
        return f"{int(text, 2):0{len(text) // 4}x}"


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of the .tflite, as an app developer needs to know it.

    Where the dtype is an integer, a value is `(integer - zero_point) * scale`.
    """

    name: str
    shape: tuple[int, ...]
    layout: Layout
    value_range: str
    meaning: str
    dtype: str = "float32"
    scale: float | None = None
    zero_point: int | None = None


@dataclass(frozen=True)
class Contract:
    """The inputs and outputs of one built model; their shapes depend on its checkpoint."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def to_json(self) -> dict[str, Any]:
        """The contract as plain JSON values; floats have neither scale nor zero point."""
        return {
            side: [
                {name: value for name, value in item.items() if value is not None} for item in items
            ]
            for side, items in asdict(self).items()
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Contract":
        """Undo `to_json`, also after the values went through a file."""
        inputs, outputs = (
            tuple(TensorSpec(**{**item, "shape": tuple(item["shape"])}) for item in values[side])
            for side in ("inputs", "outputs")
        )
        return cls(inputs, outputs)


@dataclass(frozen=True)
class Limit:
    """The worst value of a metric that still passes: at most, or at least, `bound`.

    `by_hand` where a user set it in place of the spec.
    """

    metric: str
    bound: float
    sense: Sense
    by_hand: bool = False

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
        open_network: path of a checkpoint to the network in eval mode, its weights loaded
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
        limits: by precision, the limits that a verdict holds it to; of metrics and of trials' rows.
        configure: build options to the spec of the model built so; raises UsageError for what
            cannot be. None for a model that takes no options.
        read_pictures: a user's picture files to inputs by name; None for a model that takes none.
        read_message: outputs to what they say; None for a model that reads no messages.
        trials: the names of the trials (files of verify/trials/) that judge it besides.
    """

    name: str
    file_stem: str
    summary: str
    open_network: "Callable[[Path], nn.Module]"
    build_wrapper: "Callable[[Any], nn.Module]"
    build_plain: "Callable[[Any], nn.Module]"
    contract: "Callable[[Any], Contract]"
    make_samples: "Callable[[Contract, int, int], list[Arrays]]"
    reference: "Callable[[Any, Arrays], Arrays]"
    metrics: tuple[str, ...]
    output_span: tuple[float, float]
    limits: Mapping[str, tuple[Limit, ...]]
    configure: "Callable[[BuildOptions], ModelSpec] | None" = None
    read_pictures: "Callable[[Contract, Sequence[Path]], list[Arrays]] | None" = None
    read_message: "Callable[[Arrays], Message] | None" = None
    trials: tuple[str, ...] = ()

    def configured(self, options: BuildOptions) -> "ModelSpec":
        """The model as built with these options.

        Raises:
            UsageError: it takes none, or cannot be built so.
        """
        if options == BuildOptions():
            return self
        if (
            self.configure is None
            and options.target
            and options == BuildOptions(target=options.target)
        ):
            raise UsageError(f"model '{self.name}' has no rewrites for {_NO_NEED[options.target]}")
        if self.configure is None:
            given = ", ".join(name.replace("_", "-") for name in options.to_json())
            raise UsageError(f"model '{self.name}' has no choice of {given}; leave that out")
        return self.configure(options)
