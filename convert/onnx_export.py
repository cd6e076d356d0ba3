"""A network to ONNX, as it was trained, and run by ONNX Runtime."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from chunkport.errors import ConversionError, MissingDependencyError

if TYPE_CHECKING:
    import torch
    from torch import nn

_NEEDED = ("onnx", "onnxscript", "onnxruntime")
_LARGEST_IN_ONE_FILE = 2_000_000_000  # bytes; protobuf ends at 2 GiB


def require_onnx() -> None:
    """Make sure that ONNX can be written and run.

    Raises:
        MissingDependencyError: a package is missing.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise MissingDependencyError(
            f"ONNX needs {', '.join(missing)}; pip install 'chunkport[onnx]', then run this again"
        )


def write_onnx(
    network: "nn.Module",
    arguments: "Sequence[torch.Tensor]",
    names: tuple[Sequence[str], Sequence[str]],
    target: Path,
) -> None:
    """Write the network as a new file, for inputs of the shapes of `arguments`.

    Weights of more than 2 GB go into `target` + `.data` beside it.

    Args:
        network: in eval mode.
        arguments: of its forward.
        names: of its inputs and its outputs.
        target: a file that is not there yet.

    Raises:
        ConversionError: torch.onnx could not express it.
    """
    import torch

    weights = [*network.parameters(), *network.buffers()]
    size_bytes = sum(tensor.numel() * tensor.element_size() for tensor in weights)
    with _silence():
        try:
            torch.onnx.export(
                network,
                tuple(arguments),
                target,
                input_names=list(names[0]),
                output_names=list(names[1]),
                dynamo=True,
                verbose=False,
                external_data=size_bytes > _LARGEST_IN_ONE_FILE,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            reason = " ".join(str(error).split())[:400]
            raise ConversionError(
                f"{target.name}: torch.onnx cannot express this network ({reason})"
            ) from error


class OnnxNetwork:
    """An .onnx file that is called as its network is, with one output."""

    def __init__(self, path: Path, threads: int) -> None:
        """Open it.

        Raises:
            ConversionError: ONNX Runtime does not load it.
        """
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        try:
            self._session = onnxruntime.InferenceSession(
                path, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise ConversionError(
                f"{path.name}: ONNX Runtime does not load it ({error})"
            ) from error

    def __call__(self, *arguments: "torch.Tensor") -> "torch.Tensor":
        """The output for these inputs."""
        import torch

        names = [item.name for item in self._session.get_inputs()]
        values = [argument.contiguous().numpy() for argument in arguments]
        (output,) = self._session.run(None, dict(zip(names, values, strict=True)))
        return torch.from_numpy(output)


@contextmanager
def _silence() -> Iterator[None]:
    """Keep to themselves the exporter's warnings, which are about its own insides."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
