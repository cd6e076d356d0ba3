from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file, save_model

from checkpoints import load_model_chunked, save_model_chunked
from chunkport.errors import UsageError


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
