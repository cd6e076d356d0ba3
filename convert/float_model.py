"""The one float32 conversion: module to .tflite, linted before and audited after."""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from chunkport.errors import ConversionError
from convert.audit import WeightAudit, audit_weights
from wrappers.spec import BuildOptions

if TYPE_CHECKING:
    from torch import nn

Variant = Literal["rewritten", "plain"]

_LARGE_MODEL = 512 << 20  # bytes
_LARGE_WEIGHT = 16 << 20


@dataclass(frozen=True)
class FloatRequest:
    """What to convert, in values that cross into another process.

    Attributes:
        model: registered name or FILE.py:NAME of the ModelSpec.
        checkpoint: its checkpoint.
        target: the .tflite to write.
        variant: with our rewrites, or without them for comparison.
        options: how the model is built.
    """

    model: str
    checkpoint: Path
    target: Path
    variant: Variant
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

    from convert.lint import lint
    from wrappers.registry import find_spec

    started = time.perf_counter()
    spec = find_spec(request.model, request.options)
    network = spec.open_network(request.checkpoint)
    contract = spec.contract(network)
    build = spec.build_wrapper if request.variant == "rewritten" else spec.build_plain
    module = build(network)
    weight_bytes = sum(tensor.nbytes for tensor in network.state_dict().values())
    inputs = {item.name: torch.zeros(item.shape) for item in contract.inputs}
    plain = request.variant == "plain"
    mended = () if plain else tuple(lint(module, inputs))
    export(module, inputs, request.target, frugal=not plain and is_large(module))
    audit = None if plain else audit_weights(module, request.target)
    seconds = time.perf_counter() - started
    return FloatResult(contract.to_json(), mended, weight_bytes, audit, seconds)


def export(
    module: "nn.Module", inputs: dict[str, Any], target: Path, *, frugal: bool = False
) -> None:
    """Convert a linted module, its inputs and outputs keeping their names.

    Args:
        module: to be converted.
        inputs: by name.
        target: the .tflite to write.
        frugal: in little time and memory. The file may then still hold ops on constants, which
            `fold_constants` is for.

    Raises:
        ConversionError: the converter refused; with the first line of its reason.
    """
    os.environ.setdefault("LITERT_TORCH_SHOW_PROGRESS", "0")
    import litert_torch

    from convert.converter_fault import constants_left_clean
    from convert.retracing import traced_no_more_than_needed

    try:
        with constants_left_clean():
            if frugal:
                with traced_no_more_than_needed():
                    model = litert_torch.convert(
                        module,
                        sample_kwargs=inputs,
                        lightweight_conversion=True,
                        runtime_constant_folding=False,
                    )
            else:
                model = litert_torch.convert(module, sample_kwargs=inputs)
            model.export(str(target))
    except (RuntimeError, ValueError, NotImplementedError) as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), repr(error))
        raise ConversionError(
            f"litert-torch refused the model: {reason.strip()} (run with -v for its full output)"
        ) from error


def is_large(module: "nn.Module") -> bool:
    """Whether to convert without a copy of the weights, in the converter's lightweight mode.

    The usual mode takes two to three times the weights in memory and folds constants by itself.
    The lightweight one reads them where they lie and folds nothing large, which is left to
    `fold_constants`; its own folding takes more memory than the usual mode. So it pays from half
    a GB on; and where one weight is large enough for a wrapper to leave a norm's scale beside
    it, because the usual mode would multiply the two and no audit could find either again.
    """
    sizes = [tensor.nbytes for tensor in (*module.parameters(), *module.buffers())]
    return sum(sizes) >= _LARGE_MODEL or max(sizes, default=0) > _LARGE_WEIGHT
