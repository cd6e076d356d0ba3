"""The one float32 conversion: module to .tflite, linted before and audited after."""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from chunkport.errors import ConversionError
from convert.audit import WeightAudit, audit_weights
from convert.lint import lint
from convert.precision import find_precision
from wrappers.spec import BuildOptions

if TYPE_CHECKING:
    from torch import nn

Variant = Literal["rewritten", "plain"]


@dataclass(frozen=True)
class FloatRequest:
    """What to convert, in values that cross into another process.

    Attributes:
        model: registered name or FILE.py:NAME of the ModelSpec.
        checkpoint: its checkpoint.
        target: the .tflite to write.
        variant: with our rewrites, or without them for comparison.
        precisions: names of all that will be made from the file; the lint must know.
        options: how the model is built.
    """

    model: str
    checkpoint: Path
    target: Path
    variant: Variant
    precisions: tuple[str, ...]
    options: BuildOptions = field(default_factory=BuildOptions)


@dataclass(frozen=True)
class FloatResult:
    """What came of it.

    Attributes:
        contract: inputs and outputs, as JSON values.
        mended: what the lint mended, a line each.
        weight_bytes: bytes of the network's state dict, to compare file sizes with.
        audit: the weights found in the file; None for the plain variant, whose weights the
            converter folds together by itself.
        seconds: how long the conversion took, loading included.
    """

    contract: dict[str, Any]
    mended: tuple[str, ...]
    weight_bytes: int
    audit: WeightAudit | None
    seconds: float


def build_float_model(request: FloatRequest) -> FloatResult:
    """Checkpoint to network to wrapper to float32 .tflite. Meant for a process of its own.

    Raises:
        BadInputError: the checkpoint is damaged or of another model.
        ConversionError: the converter refused the module or wrote wrong weights.
    """
    import torch

    from wrappers.registry import find_spec

    started = time.perf_counter()
    spec = find_spec(request.model, request.options)
    network = spec.open_network(request.checkpoint)
    contract = spec.contract(network)
    build = spec.build_wrapper if request.variant == "rewritten" else spec.build_plain
    module = build(network)
    weight_bytes = sum(tensor.nbytes for tensor in network.state_dict().values())
    inputs = {item.name: torch.zeros(item.shape) for item in contract.inputs}
    precisions = [find_precision(name) for name in request.precisions]
    plain = request.variant == "plain"
    mended = () if plain else tuple(lint(module, inputs, precisions))
    export(module, inputs, request.target)
    audit = None if plain else audit_weights(module, request.target)
    seconds = time.perf_counter() - started
    return FloatResult(contract.to_json(), mended, weight_bytes, audit, seconds)


def export(module: "nn.Module", inputs: dict[str, Any], target: Path) -> None:
    """Convert a linted module, its inputs and outputs keeping their names.

    Raises:
        ConversionError: the converter refused; with the first line of its reason.
    """
    os.environ.setdefault("LITERT_TORCH_SHOW_PROGRESS", "0")
    import litert_torch

    try:
        litert_torch.convert(module, sample_kwargs=inputs).export(str(target))
    except (RuntimeError, ValueError, NotImplementedError) as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), repr(error))
        raise ConversionError(
            f"litert-torch refused the model: {reason.strip()} (run with -v for its full output)"
        ) from error
