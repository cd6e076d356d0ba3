import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from checkpoints import dequantize
from chunkport.errors import BadInputError, UsageError
from scripts.quantize_weights import command
from wrappers.gan_generator import load_network, open_network

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str | Path) -> dict[str, Any]:
    done = CliRunner().invoke(
        command, [*map(str, arguments), "--format", "json"], standalone_mode=False
    )
    if done.exception:
        raise done.exception
    document: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])
    return document


def test_eight_bits_and_their_loss(tmp_path: Path, generator_checkpoint: Path) -> None:
    target = tmp_path / "small.pth"
    found = run(generator_checkpoint, "-o", target)
    assert found["weights_size_bytes_after"] < 0.27 * found["weights_size_bytes"]
    assert found["size_bytes"] == target.stat().st_size
    assert found["worst_relative_l2"] == found["tensors"][0]["relative_l2"] < 0.02
    beside = json.loads((tmp_path / "small.quantization.json").read_text())
    assert beside["tensors"] == found["tensors"]
    restored = dequantize(torch.load(target, weights_only=True))
    network = load_network(restored, "small.pth")
    for name, weight in open_network(target).state_dict().items():
        assert torch.equal(weight, network.state_dict()[name])
    latent = torch.randn(4, 100, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        difference = network(latent) - open_network(generator_checkpoint)(latent)
    assert 0 < difference.abs().mean() < 0.05


@pytest.mark.parametrize("flags", [(), ("--bfloat16",)])
def test_sixteen_bits_can_be_used_at_once(
    tmp_path: Path, generator_checkpoint: Path, flags: tuple[str, ...]
) -> None:
    target = tmp_path / "small.pth"
    found = run(generator_checkpoint, "-o", target, "--bits", "16", *flags)
    assert found["dtype"] == ("bfloat16" if flags else "float16")
    assert target.stat().st_size < 0.52 * found["weights_size_bytes"]
    open_network(target)


def test_optimizers_are_left_out_and_told_of(tmp_path: Path) -> None:
    network = torch.nn.Linear(30, 30)
    optimizer = torch.optim.Adam(network.parameters())
    model = {"state": network.state_dict(), "optimizer_G_state_dict": optimizer.state_dict()}
    torch.save(model, tmp_path / "m.pth")
    found = run(tmp_path / "m.pth", "-o", tmp_path / "small.pth")
    assert found["warnings"] == ["left out: optimizer_G_state_dict"]
    assert list(torch.load(tmp_path / "small.pth", weights_only=True)) == ["state"]


def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(3)}, tmp_path / "m.pth")
    with pytest.raises(BadInputError, match="holds no weights to quantize"):
        run(tmp_path / "m.pth", "-o", tmp_path / "small.pth")
    with pytest.raises(UsageError, match="add --bits 16"):
        run(tmp_path / "m.pth", "-o", tmp_path / "small.pth", "--bfloat16")
    (tmp_path / "small.quantization.json").write_text("{}")
    with pytest.raises(UsageError, match="already there; add --force"):
        run(tmp_path / "m.pth", "-o", tmp_path / "small.pth")


@pytest.mark.integration
def test_as_a_program_it_shows_what_lost_most(
    tmp_path: Path, generator_checkpoint: Path, run_python: Callable[..., Any]
) -> None:
    program = ROOT / "scripts" / "quantize_weights.py"
    done = run_python(program, generator_checkpoint, "-o", tmp_path / "small.safetensors")
    assert done.returncode == 0, done.stderr
    assert "the 10 tensors that lost most" in done.stdout
    assert "worst relative L2" in done.stdout
