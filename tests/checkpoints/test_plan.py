import io

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from checkpoints.plan import CHUNK_OVERHEAD, Item, PlannedChunk, plan_chunks
from networks.cards import load_card
from networks.detector import build_detector

CAP = 65_536

shapes = st.lists(st.integers(0, 40), max_size=4).map(tuple)
items = st.builds(
    Item,
    group=st.sampled_from(["generator", "discriminator", ""]),
    name_bytes=st.integers(1, 300),
    shape=shapes,
    item_size=st.sampled_from([1, 2, 4, 8, 16]),
)


@given(st.lists(items, max_size=30))
def test_every_element_is_in_exactly_one_place(tensors: list[Item]) -> None:
    covered: dict[int, int] = dict.fromkeys(range(len(tensors)), 0)
    for part in sorted(part for chunk in plan_chunks(tensors, CAP) for part in chunk.slices):
        assert part.start == covered[part.index]
        assert part.stop > part.start
        covered[part.index] = part.stop
    assert [covered[i] for i in range(len(tensors))] == [item.elements for item in tensors]


@given(st.lists(items, max_size=30))
def test_a_chunk_serves_one_state_dict(tensors: list[Item]) -> None:
    for chunk in plan_chunks(tensors, CAP):
        assert {tensors[part.index].group for part in chunk.slices} == {chunk.group}


@settings(max_examples=60, deadline=None)
@given(st.lists(items, min_size=1, max_size=30))
def test_files_that_torch_writes_stay_below_the_cap(tensors: list[Item]) -> None:
    for chunk in plan_chunks(tensors, CAP):
        assert _size_written_by_torch(tensors, chunk) <= CAP


@pytest.mark.parametrize("count", [0, 1, 400])
@pytest.mark.parametrize("name_bytes", [4, 300])
@pytest.mark.parametrize("dims", [0, 1, 8])
def test_tiny_tensors_cost_no_more_than_they_are_charged(
    count: int, name_bytes: int, dims: int
) -> None:
    tensors = [Item("g", name_bytes, (1,) * dims, 1)] * count
    for chunk in plan_chunks(tensors, 1 << 30):
        charged = sum(tensors[part.index].overhead + 1 for part in chunk.slices)
        assert _size_written_by_torch(tensors, chunk) <= CHUNK_OVERHEAD + charged


def test_a_state_dict_that_fits_gets_one_chunk_of_its_own() -> None:
    tensors = [Item("a", 8, (100,), 4), Item("b", 8, (100,), 4), Item("a", 8, (50,), 4)]
    plan = plan_chunks(tensors, CAP)
    assert [chunk.group for chunk in plan] == ["a", "b"]
    assert [part.index for part in plan[0].slices] == [0, 2]


def test_a_tensor_above_the_cap_is_cut_between_rows() -> None:
    plan = plan_chunks([Item("a", 8, (100, 1000), 4)], CAP)
    assert len(plan) == 7
    for chunk in plan:
        assert all(part.start % 1000 == 0 and part.stop % 1000 == 0 for part in chunk.slices)


def test_a_row_above_the_cap_is_cut_between_elements() -> None:
    plan = plan_chunks([Item("a", 8, (2, 20_000), 4)], CAP)
    assert len(plan) == 3
    assert any(part.stop % 20_000 for chunk in plan for part in chunk.slices)


def test_packing_wastes_little() -> None:
    """Tensors of a large detector: six of 128 MiB and one of 288 MiB among many small ones."""
    mib = 1 << 20
    sizes = [128] * 6 + [288] + [40] * 12 + [64] * 20 + [7] * 60
    tensors = [Item("detector", 60, (size * 1024, 256), 4) for size in sizes]
    plan = plan_chunks(tensors, 90 * mib)
    assert len(plan) == -(-sum(sizes) // 90)


def test_the_largest_detector_takes_as_many_chunks_as_its_bytes_need() -> None:
    """2951.5 MiB in 90 MiB each; few tensors are cut that would fit whole."""
    with torch.device("meta"):
        network = build_detector(load_card("chunkyseal"))
    states = network.state_dict()
    tensors = [Item("model", len(name), tuple(t.shape), 4) for name, t in states.items()]
    plan = plan_chunks(tensors, 90 << 20)
    assert len(plan) == 33
    pieces = sum(len(chunk.slices) for chunk in plan)
    assert pieces <= 1.1 * len(tensors)


def test_gaps_are_filled_between_rows_only() -> None:
    """Each takes more than half of a chunk: uncut, nine of them would take nine chunks."""
    tensors = [Item("a", 8, (100, 90), 4)] * 9
    plan = plan_chunks(tensors, CAP)
    assert len(plan) == 6
    assert all(part.start % 90 == 0 for chunk in plan for part in chunk.slices)
    assert len(plan_chunks(tensors, CAP, fill_gaps=False)) == 9


def _size_written_by_torch(tensors: list[Item], chunk: PlannedChunk) -> int:
    dtypes = {1: torch.int8, 2: torch.bfloat16, 4: torch.float32, 8: torch.int64}
    contents = {}
    for number, part in enumerate(chunk.slices):
        item = tensors[part.index]
        count = part.stop - part.start
        dtype = dtypes.get(item.item_size, torch.complex128)
        tensor = torch.zeros(count, dtype=dtype)
        whole_rows = count % item.row_elements == 0 and item.shape
        if whole_rows:
            tensor = tensor.reshape(-1, *item.shape[1:])
        contents[f"{number:04d}".ljust(item.name_bytes, "x")] = tensor
    buffer = io.BytesIO()
    torch.save(contents, buffer)
    return buffer.tell()
