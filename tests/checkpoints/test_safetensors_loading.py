from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file, save_model

from checkpoints import SavedCheckpoint, load_model_chunked, open_checkpoint, save_model_chunked
from checkpoints.streaming import TensorStream
from chunkport.errors import BadInputError, UsageError


def test_a_file_of_the_library_loads_as_a_state_dict(tmp_path: Path) -> None:
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    state = network.state_dict()
    save_file(state, tmp_path / "m.safetensors", metadata={"format": "pt"})
    loaded = load_model_chunked(tmp_path / "m.safetensors")
    assert set(loaded) == set(state)
    network.load_state_dict(loaded)
    for name, tensor in state.items():
        assert torch.equal(loaded[name], tensor)


def test_texts_come_along(tmp_path: Path) -> None:
    save_file({"w": torch.ones(1)}, tmp_path / "m.safetensors", metadata={"args": "nbits: 3\n"})
    assert load_model_chunked(tmp_path / "m.safetensors")["args"] == "nbits: 3\n"


def test_weights_that_the_library_tied_are_tied_again(tmp_path: Path) -> None:
    network = torch.nn.ModuleDict({"a": torch.nn.Linear(3, 3), "b": torch.nn.Linear(3, 3)})
    network["b"].weight = network["a"].weight
    save_model(network, str(tmp_path / "m.safetensors"))
    loaded = load_model_chunked(tmp_path / "m.safetensors")
    assert loaded["a.weight"] is loaded["b.weight"]
    network.load_state_dict(loaded)


@pytest.fixture
def chunked(tmp_path: Path) -> SavedCheckpoint:
    return save(tmp_path)


def save(folder: Path) -> SavedCheckpoint:
    model = {"w": torch.randn(40_000), "flags": torch.ones(5, dtype=torch.bool)}
    return save_model_chunked(
        model, folder / "m.safetensors", 0.0625, announce=lambda _message: None
    )


def test_any_flipped_bit_of_a_chunk_is_noticed(chunked: SavedCheckpoint) -> None:
    chunk = chunked.chunk_files[0]
    content = chunk.read_bytes()
    for position in [*range(0, 600, 3), *range(600, len(content), 997), len(content) - 1]:
        damaged = bytearray(content)
        damaged[position] ^= 0x10
        chunk.write_bytes(damaged)
        with pytest.raises(BadInputError, match=r"m\.chunk_000\.safetensors: (damaged|not the)"):
            load_model_chunked(chunked.path)


def test_a_chunk_of_another_save_is_told_from_a_damaged_one(
    chunked: SavedCheckpoint, tmp_path: Path
) -> None:
    older = chunked.chunk_files[0].read_bytes()
    save(tmp_path)
    chunked.chunk_files[0].write_bytes(older)
    with pytest.raises(BadInputError, match=r"chunk_000\.safetensors: .* it is from another save"):
        load_model_chunked(chunked.path)


def test_a_flipped_bit_is_found_when_the_tensor_is_read(chunked: SavedCheckpoint) -> None:
    tensor = open_checkpoint(chunked.path).contents["w"]
    extent = tensor.storage[1]
    content = bytearray(extent.file.read_bytes())
    content[extent.offset + 99] ^= 1
    extent.file.write_bytes(content)
    with pytest.raises(BadInputError, match=rf"{extent.file.name}: damaged"):
        list(TensorStream().blocks(tensor, 0, tensor.elements))


@pytest.mark.parametrize("ours", [False, True])
def test_tensors_go_to_the_device(tmp_path: Path, ours: bool) -> None:
    path = tmp_path / "m.safetensors"
    if ours:
        save_model_chunked({"w": torch.ones(3), "e": torch.empty(0, 2)}, path)
    else:
        save_file({"w": torch.ones(3), "e": torch.empty(0, 2)}, path)
    assert load_model_chunked(path, device="meta")["w"].is_meta
    assert load_model_chunked(path)["e"].shape == (0, 2)
    with pytest.raises(UsageError, match="device 'gpu': not available"):
        load_model_chunked(path, device="gpu")
