"""Other ways to run the network, made to be measured beside the files that are asked about.

What cannot be had is a contender with the reason.
"""

from collections.abc import Sequence
from pathlib import Path

from chunkport.errors import ChunkportError
from convert.pipeline import convert_checkpoint
from verify.benchmark.contenders import ONNX_RUNTIME, Contender, Original, contender_of
from verify.exported import export_network
from verify.runtimes import LITERT

_ONNX = "ONNX Runtime"


def network_in_onnx_runtime(original: Original, folder: Path) -> Contender:
    """The network as torch.onnx writes it into the folder."""
    path = folder / "network.onnx"
    try:
        export_network(
            original.checkpoint,
            original.model,
            "onnx",
            path,
            options=original.options,
            samples=1,
        )
    except ChunkportError as error:
        return Contender(_ONNX, ONNX_RUNTIME, "fp32", "network", reason=str(error))
    return Contender(_ONNX, ONNX_RUNTIME, "fp32", "network", path)


def plain_conversions(
    original: Original, precisions: Sequence[str], folder: Path, *, show_output: bool = False
) -> list[Contender]:
    """What litert-torch makes of the network without our rewrites, written into the folder."""
    try:
        made = convert_checkpoint(
            original.checkpoint,
            original.model,
            precisions,
            folder,
            options=original.options,
            variant="plain",
            show_output=show_output,
        ).files
    except ChunkportError as error:
        if len(precisions) > 1:  # some may yet be had
            return [
                item
                for name in precisions
                for item in plain_conversions(original, [name], folder, show_output=show_output)
            ]
        (name,) = precisions
        return [Contender(f"plain {name}", LITERT, name, "plain", reason=str(error))]
    return [contender_of(file.path, f"plain {file.precision}") for file in made]
