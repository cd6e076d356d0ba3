"""A fault of litert-torch, mended while it lasts: it writes to the constants that it converts."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import torch


@contextmanager
def constants_left_clean() -> Iterator[None]:
    """Keep litert-torch from clamping infinities where there are none.

    It clamps every constant in place, which writes each page of a mapped checkpoint: they turn
    from pages of the file into memory of the process, 3 GB of it for the largest models.
    """
    from litert_torch.backend import inline_consts

    if not clamps_finite_constants():
        yield
        return
    with patch.object(inline_consts, "_clamp_inf_values", clamp_infinities):
        yield


def clamps_finite_constants() -> bool:
    """Whether litert-torch writes to a constant that it has no reason to change."""
    from litert_torch.backend import inline_consts

    clamp = getattr(inline_consts, "_clamp_inf_values", None)
    if clamp is None:
        return False
    finite = torch.zeros(1)
    before = _times_written(finite)
    clamp(finite)
    return _times_written(finite) > before


def clamp_infinities(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor with infinities at the largest float; itself where it has none."""
    if not tensor.is_floating_point() or not tensor.numel():
        return tensor
    lowest, highest = torch.aminmax(tensor)
    if torch.isfinite(lowest) and torch.isfinite(highest):
        return tensor
    largest = torch.finfo(tensor.dtype).max
    return tensor.clamp(-largest, largest)


def _times_written(tensor: torch.Tensor) -> int:
    return int(tensor._version)  # noqa: SLF001  # torch's count has no public name
