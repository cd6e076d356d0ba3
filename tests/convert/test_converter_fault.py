"""The converter leaves finite constants alone, with our mend or by itself."""

import mmap
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from convert.converter_fault import (
    clamp_infinities,
    clamps_finite_constants,
    constants_left_clean,
)
from convert.float_model import export


def test_the_fault_is_still_there() -> None:
    """When this fails the converter was mended: convert/converter_fault.py can go."""
    assert clamps_finite_constants()


def test_the_mend_is_in_place_within_and_gone_after() -> None:
    with constants_left_clean():
        assert not clamps_finite_constants()
    assert clamps_finite_constants()


def test_finite_values_are_passed_on_as_they_lie() -> None:
    for tensor in (torch.randn(3), torch.zeros(0), torch.arange(3), torch.tensor(2.0)):
        assert clamp_infinities(tensor) is tensor


def test_infinities_are_clamped_in_a_copy() -> None:
    tensor = torch.tensor([float("-inf"), 1.0, float("inf")])
    largest = torch.finfo(torch.float32).max
    assert clamp_infinities(tensor).tolist() == [-largest, 1.0, largest]
    assert tensor[0] == float("-inf")


class Linear(nn.Module):
    """A Linear on a given weight."""

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight, requires_grad=False)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"out": nn.functional.linear(x, self.weight)}


@pytest.mark.integration
def test_a_mapped_weight_is_converted_without_a_copy_of_its_pages(tmp_path: Path) -> None:
    size = 1024
    path = tmp_path / "weight.bin"
    np.random.default_rng(0).standard_normal((size, size), dtype=np.float32).tofile(path)
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    weight = torch.frombuffer(mapped, dtype=torch.float32).view(size, size)
    export(Linear(weight), {"x": torch.zeros(1, size)}, tmp_path / "a.tflite")
    assert _anonymous_kib(weight.data_ptr()) == 0


def _anonymous_kib(address: int) -> int:
    """Kilobytes of the mapping at this address that are no longer the file's."""
    within = False
    for line in Path("/proc/self/smaps").read_text(encoding="ascii").splitlines():
        first = line.split()[0]
        if not first.endswith(":"):
            start, end = (int(part, 16) for part in first.split("-"))
            within = start <= address < end
        elif within and first == "Anonymous:":
            return int(line.split()[1])
    raise AssertionError("no mapping holds the weight")
