"""What is found out about a .tflite layer by layer, as values."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from chunkport.json_values import without_infinities
from verify.layers.rewriting import RewriteFinding
from verify.layers.stored_weights import WeightFinding

Step = Literal["weights", "rewrite", "conversion", "quantization", "delegate"]
"""What can go wrong on the way from a network to a running file; `weights` are of any step."""

STEPS: Mapping[Step, str] = {
    "weights": "the file's weights are not the checkpoint's",
    "rewrite": "the wrapper computes something else than the network",
    "conversion": "the float32 file computes something else than the wrapper",
    "quantization": "the file computes something else than the float32 file",
    "delegate": "XNNPACK computes something else than the interpreter's own kernels",
}


@dataclass(frozen=True)
class Layer:
    """One operation of the wrapper that takes weights, or one output of the model.

    Distances are Euclidean, relative to what the layer gives in PyTorch on the same input, and of
    what is made in this layer alone; None where there is nothing to compare.

    Attributes:
        name: the wrapper's module, or its weight where an operation takes that by itself.
        network: the network's modules that its weights come from; None where that is not known.
        tensors: the network's tensors, likewise.
        files: the checkpoint's files that hold these; None where that is not known.
        op: the file's op; None where the converter joined it with another.
        tensor: the name of what this op gives.
        between: the kinds of all ops since the layer before.
        rewrite: of the wrapper's values from the network's, in sorted order.
        conversion: of the float32 file's from the wrapper's.
        quantization: of the file's from the float32 file's.
        delegate: with XNNPACK from without.
        inherited: of the file's values from the wrapper's by then, whatever it comes from.
        wrong_weights: what the file holds wrong.
        float_weights_wrong: whether the float32 file holds wrong ones, too.
        departs: the steps that go wrong here.
    """

    name: str
    network: tuple[str, ...] | None
    tensors: tuple[str, ...] | None
    files: tuple[str, ...] | None
    op: str | None
    tensor: str | None
    between: tuple[str, ...]
    rewrite: float | None
    conversion: float | None
    quantization: float | None
    delegate: float | None
    inherited: float | None
    wrong_weights: tuple[WeightFinding, ...] = ()
    float_weights_wrong: bool = False
    departs: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Diagnosis:
    """A file's layers in the order of execution, the outputs last.

    Attributes:
        path: the file.
        precision: what it is in.
        sample: which of the inputs this is about.
        float_file: the float32 file that quantization is told from; None where that is the file
            itself, or was made anew.
        float_made_anew: whether it was.
        ran: whether the file was run; where not, only its weights were looked at.
        layers: as they run.
        rewriting: the wrapper beside the network.
        bounds: by step, the distance above which a layer departs.
        conclusion: in plain words.
    """

    path: Path
    precision: str
    sample: int
    float_file: str | None
    float_made_anew: bool
    ran: bool
    layers: tuple[Layer, ...]
    rewriting: RewriteFinding
    bounds: Mapping[Step, float]
    conclusion: str = ""

    @property
    def first(self) -> Layer | None:
        """The layer that departs first."""
        return next((layer for layer in self.layers if layer.departs), None)

    def to_json(self) -> dict[str, Any]:
        """All of it as plain JSON values."""
        first = self.first
        document: dict[str, Any] = without_infinities(
            {
                "path": str(self.path),
                "precision": self.precision,
                "sample": self.sample,
                "float_file": self.float_file,
                "float_made_anew": self.float_made_anew,
                "ran": self.ran,
                "first_departure": None if first is None else first.name,
                "departs_by": [] if first is None else list(first.departs),
                "conclusion": self.conclusion,
                "bounds": dict(self.bounds),
                "outputs_wrapper_to_network": dict(self.rewriting.at_outputs),
                "layers": [asdict(layer) for layer in self.layers],
            }
        )
        return document
