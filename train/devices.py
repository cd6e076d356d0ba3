"""Where a run computes."""

import torch

from chunkport.errors import UsageError


def chosen_device(asked: str) -> str:
    """PyTorch's name of the device that was asked for; "auto" is a GPU by CUDA, or the CPU.

    Raises:
        UsageError: there is no such device here.
    """
    cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if asked == "auto":
        return "cuda" if cuda else "cpu"
    here = ["cpu"]
    if cuda:
        here += ["cuda", *(f"cuda:{index}" for index in range(cuda))]
    if torch.backends.mps.is_available():
        here.append("mps")
    if asked not in here:
        raise UsageError(
            f"device: there is no {asked!r} here; choose one of auto, {', '.join(here)}"
        )
    return asked
