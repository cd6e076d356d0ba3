"""A network to TorchScript, which PyTorch has deprecated, for those who have to feed it still."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from torch import nn

DEPRECATED = "TorchScript is deprecated by PyTorch and will be removed; prefer --to onnx"


def write_torchscript(
    network: "nn.Module", arguments: "Sequence[torch.Tensor]", target: Path
) -> None:
    """Trace the network, in eval mode, on `arguments` and write it as a new file."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own deprecation, which the command tells
        traced = torch.jit.trace(network, tuple(arguments), check_trace=False)  # type: ignore[no-untyped-call]  # torch has no types here
        traced.save(str(target))


def open_torchscript(path: Path) -> "nn.Module":
    """The traced network, from the file alone."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded: nn.Module = torch.jit.load(str(path))  # type: ignore[no-untyped-call]  # torch has no types here
    return loaded
