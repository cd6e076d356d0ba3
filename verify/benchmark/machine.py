"""What the figures are taken on."""

import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

_SGEMM_SIDE = 512  # large enough for full speed, and soon done: other work rarely breaks in
SGEMM_FLOP = 2 * _SGEMM_SIDE**3


def machine() -> dict[str, Any]:
    """Its processor, cores, system and Python."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def cores() -> int:
    """How many this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def sgemm(threads: int) -> Callable[[], object]:
    """PyTorch's product of two square float32 matrices, to be timed; `SGEMM_FLOP` of arithmetic.

    What it reaches stands for the machine's speed at such work. It is no upper bound: another
    library may use wider instructions.
    """
    import torch

    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(_SGEMM_SIDE, _SGEMM_SIDE, generator=generator) for _ in range(2))

    def run() -> object:
        torch.set_num_threads(threads)  # one number for the process, changed from turn to turn
        return a @ b

    return run
