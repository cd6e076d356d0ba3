"""What we write is loaded by the libraries that others load it with."""

from pathlib import Path

import pytest
import torch
from huggingface_hub import load_torch_model
from safetensors.torch import load_file
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader
from torch.distributed.checkpoint.state_dict_loader import load as distributed_load

from checkpoints import save_model_chunked

CAP_MB = 0.0625


def network() -> torch.nn.Module:
    return torch.nn.Sequential(*(torch.nn.Linear(100, 100) for _ in range(4)))


def quiet(_message: str) -> None:
    """Announce nothing."""


@pytest.mark.parametrize("cap_mb", [CAP_MB, 90], ids=["chunks", "whole"])
@pytest.mark.parametrize("stem", ["model", "best_model"])
def test_huggingface_hub_loads_a_state_dict(tmp_path: Path, stem: str, cap_mb: float) -> None:
    saved = network()
    save_model_chunked(saved.state_dict(), tmp_path / f"{stem}.safetensors", cap_mb, announce=quiet)
    loaded = network()
    pattern = f"{stem}{{suffix}}.safetensors"
    load_torch_model(loaded, tmp_path, strict=True, filename_pattern=pattern)
    for name, tensor in saved.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)


def test_huggingface_hub_refuses_what_it_cannot_join(tmp_path: Path) -> None:
    """Rather than load the first rows of a split tensor and call it done."""
    save_model_chunked(
        torch.nn.Linear(300, 300).state_dict(), tmp_path / "model.safetensors", CAP_MB,
        announce=quiet,
    )  # fmt: skip
    with pytest.raises(RuntimeError, match="size mismatch for weight"):
        load_torch_model(torch.nn.Linear(300, 300), tmp_path, strict=True)


@pytest.mark.filterwarnings("ignore:torch.distributed is disabled")
def test_torch_distributed_joins_the_rows_of_a_split_tensor(tmp_path: Path) -> None:
    net = {"w": torch.randn(300, 200), "b": torch.randn(9), "n": torch.tensor(3.5)}
    pairs = torch.randn(50, 60, dtype=torch.complex128)
    half = torch.randn(70, 9).to(torch.bfloat16)
    model = {"a": net, "c": pairs, "h": half}
    save_model_chunked(model, tmp_path / "m.pth", CAP_MB, container="safetensors", announce=quiet)
    flat = {"c": torch.view_as_real(pairs), "h": half}
    flat |= {f"a/{name}": tensor for name, tensor in net.items()}
    found = {name: torch.zeros_like(tensor) for name, tensor in flat.items()}
    distributed_load(found, storage_reader=HuggingFaceStorageReader(str(tmp_path)), no_dist=True)
    for name, tensor in flat.items():
        assert torch.equal(found[name], tensor), name


@pytest.mark.filterwarnings("ignore:torch.distributed is disabled")
def test_torch_distributed_sees_pieces_that_are_no_rows_as_they_are(tmp_path: Path) -> None:
    wide = torch.randn(1, 40_000)
    saved = save_model_chunked(
        {"wide": wide, "b": torch.ones(3)}, tmp_path / "m.safetensors", CAP_MB, announce=quiet
    )
    found = {"b": torch.zeros(3)}
    for chunk in saved.chunk_files:
        found |= {name: torch.zeros_like(tensor) for name, tensor in load_file(chunk).items()}
    assert "wide" not in found
    distributed_load(found, storage_reader=HuggingFaceStorageReader(str(tmp_path)), no_dist=True)
    pieces = [found[name] for name in found if name.startswith("wide#elements_")]
    assert sum(map(len, pieces)) == 40_000
    assert found["b"].tolist() == [1, 1, 1]
