import json
from pathlib import Path
from typing import Any

import torch

from checkpoints import load_model_chunked, save_model_chunked
from networks.gan import Discriminator, Generator


def quiet(_message: str) -> None:
    """Announce nothing."""


def trained_gan() -> dict[str, Any]:
    """The GAN at its published size after one step of both optimizers."""
    checkpoint: dict[str, Any] = {}
    optimizers: dict[str, Any] = {}
    networks = {"G": Generator(), "D": Discriminator()}
    for name, network in networks.items():
        optimizer = torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999))
        for parameter in network.parameters():
            parameter.grad = torch.full_like(parameter, 0.01)
        optimizer.step()
        optimizers[f"optimizer_{name}_state_dict"] = optimizer.state_dict()
    checkpoint["generator_state_dict"] = networks["G"].state_dict()
    checkpoint["discriminator_state_dict"] = networks["D"].state_dict()
    return {**checkpoint, **optimizers, "epoch": 1, "noise_dim": 100}


def test_the_gan_checkpoint_has_its_published_sizes(tmp_path: Path) -> None:
    checkpoint = trained_gan()
    said: list[str] = []
    saved = save_model_chunked(checkpoint, tmp_path / "best_model.pth", announce=said.append)
    assert said == [
        "[CHUNKING] Model size 137.8MB exceeds 90MB, splitting...",
        "[CHUNKED] Saved 4 chunks (max 58.6MB)",
    ]
    mib = [round(path.stat().st_size / 2**20, 2) for path in saved.chunk_files]
    assert mib[:2] == [29.55, 16.54]
    assert [round(size, 1) for size in mib[2:]] == [58.6, 33.1]
    assert round(sum(path.stat().st_size for path in saved.chunk_files) / 2**20, 2) == 137.79
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "best_model.chunk_000.pth",
        "best_model.chunk_001.pth",
        "best_model.chunk_002.pth",
        "best_model.chunk_003.pth",
        "best_model.manifest.json",
        "best_model.pth",
    ]
    loaded = load_model_chunked(saved.path)
    assert list(loaded) == list(checkpoint)
    for key in ("generator_state_dict", "discriminator_state_dict"):
        assert all(torch.equal(loaded[key][name], t) for name, t in checkpoint[key].items())
    for key in ("optimizer_G_state_dict", "optimizer_D_state_dict"):
        assert loaded[key]["param_groups"] == checkpoint[key]["param_groups"]
        for number, state in checkpoint[key]["state"].items():
            assert all(torch.equal(loaded[key]["state"][number][k], v) for k, v in state.items())
    optimizer = torch.optim.Adam(Generator().parameters())
    optimizer.load_state_dict(loaded["optimizer_G_state_dict"])
    assert optimizer.param_groups[0]["lr"] == 2e-4


def test_the_manifest_says_what_older_tools_read(tmp_path: Path) -> None:
    gan = {
        "generator_state_dict": Generator(width=8).state_dict(),
        "discriminator_state_dict": Discriminator(width=16).state_dict(),
    }
    saved = save_model_chunked(gan, tmp_path / "model.pth", 2.5, announce=quiet)
    assert saved.manifest is not None
    manifest = json.loads(saved.manifest.read_text())
    assert manifest["version"] == "1.0"
    assert manifest["is_chunked"] is True
    assert manifest["total_chunks"] == 2
    assert manifest["state_dicts"] == {
        "generator_state_dict": {"chunked": False, "chunk_id": 0},
        "discriminator_state_dict": {"chunked": False, "chunk_id": 1},
    }
    sizes = [path.stat().st_size for path in saved.chunk_files]
    assert manifest["total_size_mb"] == round(sum(sizes) / 2**20, 1)
    seen = [
        {key: entry[key] for key in ("chunk_id", "filename", "size_mb", "state_dict")}
        for entry in manifest["chunk_files"]
    ]
    assert seen == [
        {
            "chunk_id": number,
            "filename": f"model.chunk_00{number}.pth",
            "size_mb": round(sizes[number] / 2**20, 1),
            "state_dict": name,
        }
        for number, name in enumerate(gan)
    ]
