import pytest
import torch

from checkpoints.manifest import ITEM_SIZES
from checkpoints.memory import TORCH_DTYPES, bytes_of, compact


@pytest.mark.parametrize("name", ITEM_SIZES)
def test_sizes_are_those_of_torch(name: str) -> None:
    assert torch.empty(1, dtype=TORCH_DTYPES[name]).itemsize == ITEM_SIZES[name]


@pytest.mark.parametrize("name", ITEM_SIZES)
def test_a_part_has_the_elements_and_no_more_memory(name: str) -> None:
    tensor = (torch.arange(600).reshape(20, 30) % 2).to(TORCH_DTYPES[name])
    part = compact(tensor[5:], 31, 95)
    expected = tensor.reshape(-1)[181:245]
    assert part.dtype == tensor.dtype
    assert bytes(part.view(torch.uint8)) == bytes(expected.view(torch.uint8))
    assert part.untyped_storage().nbytes() == 64 * ITEM_SIZES[name]


def test_a_contiguous_part_is_not_copied() -> None:
    tensor = torch.arange(10)
    compact(tensor, 2, 4)[0] = 99
    assert tensor[2] == 99
    bytes_of(tensor, 0, 1)[:] = 0
    assert tensor[0] == 0


def test_other_layouts_are_put_in_row_major_order() -> None:
    tensor = torch.arange(6).reshape(2, 3) * 1j
    assert compact(tensor.t(), 0, 6).tolist() == tensor.t().reshape(-1).tolist()
    assert compact(tensor.conj(), 1, 3).tolist() == [-1j, -2j]
    assert compact(torch.tensor(5.0), 0, 1).tolist() == [5.0]
    assert compact(torch.empty(0, 4), 0, 0).tolist() == []
