"""Watermark runs end to end, small ones: that they learn, what they leave, how they go on."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from checkpoints import load_model_chunked
from checkpoints.inference_folder import read_inference_folder
from chunkport.errors import UsageError
from networks.cards import load_card
from train.loop import BatchReport, TrainingResult
from train.progress import Progress
from train.saving import Saving
from train.scenes import render_scene
from train.watermark import settled_loss, train_watermark
from train.watermark_config import WatermarkConfig
from wrappers.detector_intake import load_detector_network, load_embedder_network

CONFIG = WatermarkConfig(
    epochs=3,
    batch_size=8,
    nbits=4,
    image_size=64,
    psnr_db=26.0,
    channels=16,
    depth=1,
    dims=(8, 16, 16, 32),
    depths=(1, 1, 1, 1),
    groups=2,
    warm_up_steps=4,
    fading_steps=20,
    hardening_steps=400,
    learning_rate=3e-3,
)


@pytest.fixture(scope="module")
def scenes() -> torch.Tensor:
    drawn = [torch.from_numpy(render_scene(seed, size=80)) for seed in range(72)]
    return torch.stack(drawn).permute(0, 3, 1, 2)


def trained(scenes: torch.Tensor, folder: Path, **changes: Any) -> TrainingResult:
    arguments = {
        key: changes.pop(key) for key in ("resume", "on_batch", "saving") if key in changes
    }
    config = replace(CONFIG, **changes)
    told = {"data": "72 scenes"}
    return train_watermark(scenes[8:], scenes[:8], config, folder, provenance=told, **arguments)


@pytest.fixture(scope="module")
def run(scenes: torch.Tensor, tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    return trained(scenes, tmp_path_factory.mktemp("run"))


@pytest.mark.integration
def test_a_message_is_learnt_in_a_minute(scenes: torch.Tensor, tmp_path: Path) -> None:
    slower = {"dims": (16, 32, 64, 128), "tile": 8, "batch_size": 16, "psnr_db": 23.0}
    history = trained(scenes, tmp_path, epochs=40, learning_rate=1e-3, **slower).history
    assert history["loss"][-1] < history["loss"][0]
    assert max(history["bit_accuracy"]) > 0.9
    assert 22.5 < history["psnr_db"][-1] < 26


def test_a_run_leaves_a_pair_that_the_rest_of_the_way_takes(run: TrainingResult) -> None:
    assert run.final.name == "final_watermark.pth"
    assert run.best is not None
    saved = load_model_chunked(run.checkpoint)
    assert (saved["epoch"], saved["args"]["nbits"], saved["args"]["img_size_proc"]) == (3, 4, 64)
    assert len(saved["history"]["attacked_bit_accuracy"]) == 3
    detector = load_detector_network(run.checkpoint)
    assert detector.pixel_decoder.linear.out_features == 1 + CONFIG.nbits
    embedder = load_embedder_network(run.checkpoint)
    for name, weight in embedder.state_dict().items():
        assert torch.equal(weight, saved["model"][f"embedder.{name}"])
    for folder in run.inference_folders:
        read = read_inference_folder(folder)
        assert read.architecture == "tinyseal"
        assert load_card(folder / "config.json").nbits == CONFIG.nbits
        assert load_embedder_network(read.weights).card.nbits == CONFIG.nbits
        assert "optimizer" not in load_model_chunked(read.weights)
        readme = (folder / "README.md").read_text()
        assert "embed-watermark full_model.pth" in readme
        assert "bit_accuracy" in readme
        told = json.loads((folder / "training_metadata.json").read_text())["hyperparameters"]
        assert (told["seed"], told["data"]) == (0, "72 scenes")


def test_the_code_in_the_inference_folders_readme_runs(
    run: TrainingResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run.inference_folders[0]
    text = (folder / "README.md").read_text()
    code = text.partition("```python\n")[2].partition("```")[0]
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - the README's own lines
    assert names["read"].shape == (1, CONFIG.nbits)


def test_samples_and_curves_are_drawn(run: TrainingResult) -> None:
    assert run.curves is not None
    assert {path.name for path in run.progress_folder.iterdir()} == {
        "epoch_001.png", "epoch_003.png",
    }  # fmt: skip
    with Image.open(run.progress_folder / "epoch_003.png") as sheet:
        assert sheet.size == (6 * 68 - 4, 4 * 68 - 4)


def test_a_stopped_run_ends_with_the_same_weights(
    scenes: torch.Tensor,
    run: TrainingResult,
    tmp_path: Path,
    assert_same: Callable[[Any, Any], None],
) -> None:
    class Stopped(Exception):  # noqa: N818 - a signal, not a fault
        pass

    def stop(report: BatchReport) -> None:
        if (report.epoch, report.batch) == (3, 2):
            raise Stopped

    with pytest.raises(Stopped):
        trained(scenes, tmp_path, on_batch=stop)
    latest = tmp_path / "models" / "latest_model.pth"
    assert load_model_chunked(latest)["epoch"] == 2
    resumed = trained(scenes, tmp_path, resume=latest)
    whole, again = (load_model_chunked(result.final) for result in (run, resumed))
    for values in (whole, again):
        values.pop("training_date", None)
    assert_same(again["model"], whole["model"])
    assert_same(again["optimizer"], whole["optimizer"])
    assert resumed.history == run.history


def test_another_message_length_is_no_resumption(
    scenes: torch.Tensor, run: TrainingResult, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="nbits 4 became 8"):
        trained(scenes, tmp_path, resume=run.checkpoint, nbits=8)


def test_the_loss_counts_once_training_is_as_hard_as_it_gets() -> None:
    """Four steps an epoch; marks have faded after 6, distortions are at their hardest after 8."""
    config = replace(CONFIG, fading_steps=6, hardening_steps=8)
    figures = {"loss": 0.5}
    progress = Progress.before_the_first_step(["loss"])
    for epoch, counts in ((1, False), (2, False), (3, True)):
        progress.step = 4 * epoch
        assert bool(settled_loss(config, progress, figures, epoch)) is counts
    for steps, begun, counts in ((11, 3, True), (10, 3, False)):  # the third epoch is under way
        progress.step, progress.epoch_steps = steps, [figures] * begun
        assert bool(settled_loss(config, progress, figures, 3)) is counts


def test_an_easy_epoch_is_not_the_best_by_the_loss(scenes: torch.Tensor, tmp_path: Path) -> None:
    by_loss = Saving(metric="loss")
    easy = trained(scenes, tmp_path / "easy", epochs=1, saving=by_loss)
    assert easy.best is None
    at_once = {"fading_steps": 0, "hardening_steps": 0}
    hard = trained(scenes, tmp_path / "hard", epochs=1, saving=by_loss, **at_once)
    assert hard.best is not None
    saved = load_model_chunked(hard.best)
    assert saved["metrics"]["settled_loss"] == saved["history"]["loss"][0]
