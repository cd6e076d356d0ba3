"""The folders that a finished run leaves for use, used as their READMEs say."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from checkpoints import load_model_chunked, read_inference_folder, save_model_chunked
from networks.gan import UPSAMPLINGS, Generator
from train.gan import train_gan
from train.gan_config import GanConfig
from train.gan_release import generator_for_use
from train.saving import Saving

ROOT = Path(__file__).resolve().parents[2]
TINY = GanConfig(epochs=2, batch_size=4, width=4, noise_dim=8, average_decay=0.9)


def run(*arguments: str, folder: Path) -> str:
    done = subprocess.run(
        arguments,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def block(folder: Path, language: str) -> str:
    """The README's one block of code in that language."""
    text = (folder / "README.md").read_text()
    (found,) = re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)
    assert isinstance(found, str)
    return found


def test_best_and_final_become_folders_of_one_version(images: torch.Tensor, tmp_path: Path) -> None:
    for version in ("v1.0", "v1.1"):
        result = train_gan(images, TINY, tmp_path, saving=Saving(metric="g-loss"))
        assert result.best is not None
        best, final = map(read_inference_folder, result.inference_folders)
        epoch = load_model_chunked(result.best)["epoch"]
        parent = tmp_path / "models" / "inference"
        assert best.path == parent / f"model_{version}_epoch{epoch}"
        assert final.path == parent / f"model_{version}_final"
        assert (best.version, best.epoch, final.epoch) == (version, epoch, 2)
        for folder, checkpoint in ((best, result.best), (final, result.final)):
            weights = load_model_chunked(folder.weights)["generator_state_dict"]
            for key, value in load_model_chunked(checkpoint)["generator_state_dict"].items():
                assert torch.equal(weights[key], value), key
        config = json.loads((final.path / "config.json").read_text())
        assert config == {
            "architecture": "gan-generator",
            "noise_dim": 8,
            "width": 4,
            "upsampling": "transposed",
        }


@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
def test_it_is_told_how_it_upsamples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, upsampling: str
) -> None:
    weights = Generator(noise_dim=8, width=2, upsampling=upsampling).state_dict()
    values = {"noise_dim": 8, "width": 2, "generator_state_dict": weights}
    monkeypatch.chdir(tmp_path)
    save_model_chunked(values, Path("full_model.pth"), announce=lambda _line: None)
    model = generator_for_use(Path("full_model.pth"))
    assert model.config["upsampling"] == model.weights["upsampling"] == upsampling
    named: dict[str, torch.Tensor] = {}
    exec(model.load_code, named)  # noqa: S102 - what a reader of the README types
    assert named["images"].shape == (4, 1, 128, 128)


@pytest.mark.integration
def test_the_readme_loads_and_converts_it(images: torch.Tensor, tmp_path: Path) -> None:
    saving = Saving(max_chunk_mb=0.125)
    result = train_gan(images, TINY, tmp_path, saving=saving)
    folder = result.inference_folders[-1]
    assert list(folder.glob("full_model.chunk_*.pth"))
    shape = run(
        sys.executable, "-c", block(folder, "python") + "print(tuple(images.shape))", folder=folder
    )
    assert shape == "(4, 1, 128, 128)\n"

    program = f'set -e; chunkport() {{ {shlex.quote(sys.executable)} -m scripts._cli "$@"; }}\n'
    said = run("bash", "-c", program + block(folder, "bash"), folder=folder)
    assert "PASSED: 3 of 3 files" in said
