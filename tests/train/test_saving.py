"""What a run saves under which name, and which of it is called the best."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from checkpoints import load_model_chunked
from chunkport.errors import UsageError
from train.gan import train_gan
from train.gan_config import GanConfig
from train.gan_criteria import CRITERIA
from train.gan_step import STEP_KEYS
from train.saving import Saving

TINY = GanConfig(epochs=2, batch_size=4, width=2, noise_dim=8, average_decay=0.9)


def models(folder: Path) -> list[str]:
    index = json.loads((folder / "models" / "models_index.json").read_text())
    found = [model["file"] for model in index["models"]]
    on_disk = [
        path.name for path in (folder / "models").glob("*.pth") if ".chunk_" not in path.name
    ]
    assert found == sorted(on_disk)
    return found


@pytest.mark.parametrize("cap_mb", [90, 0.0625])
def test_a_run_in_safetensors_is_resumed_to_the_same_bits(
    images: torch.Tensor, tmp_path: Path, cap_mb: float
) -> None:
    saving = Saving(cap_mb, every_epochs=2, metric="g-loss", container="safetensors")
    four = replace(TINY, epochs=4)
    whole = train_gan(images, four, tmp_path / "whole", saving=saving)
    names = ["best_model", "checkpoint_epoch_002", "checkpoint_epoch_004", "final_gan"]
    expected = [f"{name}.safetensors" for name in [*names, "latest_model"]]
    folder = tmp_path / "whole" / "models"
    index = json.loads((folder / "models_index.json").read_text())
    assert [model["file"] for model in index["models"]] == expected
    assert list(folder.glob("*.pth")) == []
    assert whole.best == folder / "best_model.safetensors"
    assert (folder / "final_gan.safetensors").exists() == (cap_mb == 90)

    middle = folder / "checkpoint_epoch_002.safetensors"
    resumed = train_gan(images, four, tmp_path / "resumed", resume=middle, saving=saving)
    states = [load_model_chunked(run.checkpoint) for run in (whole, resumed)]
    for key, value in states[0]["generator_state_dict"].items():
        assert torch.equal(value, states[1]["generator_state_dict"][key]), key
    assert states[0]["history"] == states[1]["history"]


def test_a_run_leaves_the_names_that_it_promises(images: torch.Tensor, tmp_path: Path) -> None:
    saving = Saving(every_epochs=2, every_steps=1, keep_top_k=2, metric="g-loss")
    result = train_gan(images, replace(TINY, epochs=4), tmp_path, saving=saving)
    names = models(tmp_path)
    steps = [name for name in names if name.startswith("checkpoint_step_")]
    assert len(steps) == 2
    assert [name for name in names if name not in steps] == [
        "best_model.pth",
        "checkpoint_epoch_002.pth",
        "checkpoint_epoch_004.pth",
        "final_gan.pth",
        "latest_model.pth",
    ]
    assert result.best == tmp_path / "models" / "best_model.pth"
    assert result.final == tmp_path / "models" / "final_gan.pth"
    metadata = json.loads((tmp_path / "models" / "final_metadata.json").read_text())
    assert (metadata["epoch"], metadata["step"], metadata["noise_dim"]) == (4, 8, 8)
    for key in STEP_KEYS:
        assert metadata[f"avg_{key}"] == result.history[key][-1]
    losses = result.history["G_loss"]
    assert load_model_chunked(result.best)["epoch"] == 1 + losses.index(min(losses))


def test_without_an_epoch_that_counts_there_is_no_best(
    images: torch.Tensor, tmp_path: Path
) -> None:
    """Of two pictures, which are too few for KID."""
    result = train_gan(images[:2], replace(TINY, epochs=1), tmp_path)
    assert result.best is None
    assert models(tmp_path) == ["final_gan.pth", "latest_model.pth"]
    assert [path.name for path in result.inference_folders] == ["model_v1.0_final"]


def test_a_fresh_run_does_not_bow_to_the_best_of_an_old_one(
    images: torch.Tensor, tmp_path: Path
) -> None:
    saving = Saving(metric="g-loss")
    old = train_gan(images, TINY, tmp_path, saving=saving)
    assert old.best is not None
    before = load_model_chunked(old.best)["history"]
    train_gan(images[:8].flip(2), TINY, tmp_path, saving=saving)
    assert load_model_chunked(old.best)["history"] != before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every_epochs": 0}, "every_epochs: is 0; give at least 1"),
        ({"every_steps": 0}, "every_steps: is 0; give at least 1"),
        ({"keep_top_k": 0}, "keep_top_k: is 0; give at least 1"),
        ({"metric": "fid"}, "metric: unknown 'fid'; choose one of kid, d-fake, d-loss"),
        ({"mode": "max"}, "mode: 'max' of a distance makes the worst the best"),
    ],
)
def test_senseless_saving_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Saving(**options).ranking(CRITERIA)
