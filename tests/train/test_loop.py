"""The loop, with a task of a few lines: what it evaluates, judges, names, and takes up again."""

import json
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from checkpoints import load_model_chunked, read_inference_folder
from chunkport.errors import UsageError
from train.loop import BatchReport, DivergedError, EpochReport, train
from train.run import Run
from train.saving import Saving

NewRun = Callable[..., Run[Any]]
Same = Callable[[Any, Any], None]


class StopError(Exception):
    """Somebody pressed Ctrl+C."""


def test_a_task_leaves_files_of_its_own_name(
    brightness_run: NewRun, noise: torch.Tensor, tmp_path: Path
) -> None:
    result = train(brightness_run(), noise, tmp_path, saving=Saving(every_epochs=2))
    models = tmp_path / "models"
    assert sorted(path.name for path in models.glob("*.pth")) == [
        "best_model.pth",
        "checkpoint_epoch_002.pth",
        "checkpoint_epoch_004.pth",
        "final_brightness.pth",
        "latest_model.pth",
    ]
    assert result.final == models / "final_brightness.pth"
    assert load_model_chunked(result.final)["epoch"] == 4
    assert sorted(path.name for path in result.progress_folder.iterdir()) == [
        "epoch_001.png",
        "epoch_003.png",
        "epoch_004.png",
    ]
    assert read_inference_folder(result.inference_folders[-1]).architecture == "line"


def test_what_an_evaluation_finds_is_kept_and_judged(
    brightness_run: NewRun, noise: torch.Tensor, tmp_path: Path
) -> None:
    epochs: list[EpochReport] = []
    run = brightness_run(epochs=8)
    result = train(run, noise, tmp_path, on_epoch=epochs.append)
    errors = result.history["held_out_error"]
    assert errors == tuple(report.figures["held_out_error"] for report in epochs)
    assert [len(report.history["loss"]) for report in epochs] == [*range(1, 9)]
    assert len(set(errors)) == len(result.history["loss"]) == 8
    assert result.best is not None
    best = load_model_chunked(result.best)
    assert errors.index(min(errors)) + 1 == best["epoch"] < 8
    assert best["metrics"]["held_out_error"] == min(errors)
    metadata = json.loads((tmp_path / "models" / "best_metadata.json").read_text())
    assert metadata["avg_loss"] == result.history["loss"][best["epoch"] - 1]
    assert metadata["pixels"] == 64
    assert "avg_held_out_error" not in metadata


def test_a_metric_of_the_steps_can_be_asked_for_instead(
    brightness_run: NewRun, noise: torch.Tensor, tmp_path: Path
) -> None:
    result = train(brightness_run(epochs=8), noise, tmp_path, saving=Saving(metric="psnr"))
    fidelity = result.history["psnr"]
    assert result.best is not None
    assert load_model_chunked(result.best)["epoch"] == fidelity.index(max(fidelity)) + 1


def test_steps_are_judged_by_what_is_measured_at_steps(
    brightness_run: NewRun, noise: torch.Tensor, tmp_path: Path
) -> None:
    """Nothing is evaluated within an epoch: by such a metric the newest stay."""
    steps: list[float] = []
    for metric in ("error", "psnr"):
        train(
            brightness_run(),
            noise,
            tmp_path / metric,
            saving=Saving(every_steps=2, keep_top_k=1, metric=metric),
            on_batch=lambda report: steps.append(report.figures["psnr"]),
        )
    (by_error,) = (tmp_path / "error" / "models").glob("checkpoint_step_*.pth")
    assert by_error.name == "checkpoint_step_8.pth"
    (by_psnr,) = (tmp_path / "psnr" / "models").glob("checkpoint_step_*.pth")
    means = [(first + second) / 2 for first, second in zip(steps[8::2], steps[9::2], strict=True)]
    assert by_psnr.name == f"checkpoint_step_{2 * (1 + means.index(max(means)))}.pth"


def test_a_metric_of_another_task_is_refused_before_anything_is_done(
    brightness_run: NewRun, noise: torch.Tensor, tmp_path: Path
) -> None:
    for saving, message in (
        (Saving(metric="d-fake"), "metric: unknown 'd-fake'; choose one of error, psnr"),
        (Saving(mode="max"), "mode: 'max' of a distance makes the worst the best; choose 'min'"),
    ):
        with pytest.raises(UsageError, match=message):
            train(brightness_run(), noise, tmp_path, saving=saving)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("batch", [None, 1, 2], ids=["between", "within", "at the end of"])
def test_a_stopped_run_goes_on_to_the_same_bits(
    brightness_run: NewRun,
    noise: torch.Tensor,
    tmp_path: Path,
    assert_same: Same,
    batch: int | None,
) -> None:
    """Between, within or at the end of epochs; the uninterrupted run saves other steps."""
    whole = train(brightness_run(), noise, tmp_path / "whole")

    def on_batch(report: BatchReport) -> None:
        if (report.epoch, report.batch) == (3, batch or 1):
            raise StopError

    saving = Saving(every_steps=1, keep_top_k=99)
    with pytest.raises(StopError):
        train(brightness_run(), noise, tmp_path / "parts", saving=saving, on_batch=on_batch)
    name = "latest_model" if batch is None else f"checkpoint_step_{4 + batch}"
    middle = tmp_path / "parts" / "models" / f"{name}.pth"
    assert load_model_chunked(middle)["epoch"] == 2
    torch.rand(17)
    resumed = train(brightness_run(), noise, tmp_path / "parts", resume=middle)
    assert resumed.history == whole.history
    assert_same(load_model_chunked(whole.checkpoint), load_model_chunked(resumed.checkpoint))


def test_every_evaluation_draws_the_same_numbers(
    brightness_run: NewRun, noise: torch.Tensor, tmp_path: Path
) -> None:
    run = brightness_run(
        evaluate=lambda _shipped: {"drawn": torch.rand(1).item()}, evaluation_keys=("drawn",)
    )
    run.progress.history["drawn"] = run.progress.history.pop("held_out_error")
    drawn = train(run, noise, tmp_path).history["drawn"]
    assert len(drawn) == 4
    assert len(set(drawn)) == 1


def test_the_callers_random_numbers_are_left_alone(
    brightness_run: NewRun, noise: torch.Tensor, tmp_path: Path
) -> None:
    run = brightness_run()

    def draw() -> list[float]:
        return [torch.rand(1).item(), random.random(), np.random.rand()]  # noqa: S311, NPY002 - the global ones are meant

    states = torch.get_rng_state(), random.getstate(), np.random.get_state()  # noqa: NPY002 - as above
    expected = draw()
    torch.set_rng_state(states[0])
    random.setstate(states[1])
    np.random.set_state(states[2])  # noqa: NPY002 - as above
    train(run, noise, tmp_path)
    assert draw() == expected


def test_the_curves_are_there_after_every_epoch(
    brightness_run: NewRun, noise: torch.Tensor, tmp_path: Path
) -> None:
    pictures = []

    def on_epoch(report: EpochReport) -> None:
        path = tmp_path / "training_history_live.png"
        with Image.open(path) as picture:
            assert picture.format == "PNG"
        pictures.append(path.read_bytes())
        assert len(set(pictures)) == report.epoch

    result = train(brightness_run(), noise, tmp_path, on_epoch=on_epoch)
    assert result.curves == tmp_path / "training_history.png"
    assert result.curves.read_bytes() == pictures[-1]
    assert len(pictures) == 4


def test_curves_that_cannot_be_drawn_stop_nothing(
    brightness_run: NewRun, noise: torch.Tensor, tmp_path: Path
) -> None:
    (tmp_path / "training_history_live.png").mkdir()
    (tmp_path / "training_history.png").mkdir()
    said: list[str] = []
    result = train(brightness_run(), noise, tmp_path, announce=said.append)
    assert (result.epochs, result.curves) == (4, None)
    warnings = [line for line in said if "curves" in line]
    assert len(warnings) == 4 + 1
    assert all(line.startswith("Warning: ") for line in warnings)
    assert all("training goes on" in line for line in warnings)


def test_a_task_may_leave_out_what_it_does_not_have(
    brightness_run: NewRun, noise: torch.Tensor, tmp_path: Path
) -> None:
    run = brightness_run(evaluate=None, write_sample=None, panels=(), inference_model=None)
    del run.progress.history["held_out_error"]
    result = train(run, noise, tmp_path, saving=Saving(metric="psnr"))
    assert result.history.keys() == {"loss", "psnr"}
    assert (result.curves, result.inference_folders) == (None, ())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models", "stats.jsonl"]


def test_only_a_loss_must_be_a_number(
    brightness_run: NewRun, noise: torch.Tensor, tmp_path: Path
) -> None:
    perfect = {"loss": 0.0, "psnr": math.inf}
    result = train(brightness_run(step=lambda _pixels: perfect), noise, tmp_path)
    assert result.history["psnr"] == (math.inf,) * 4
    assert result.curves is not None
    metadata = (tmp_path / "models" / "latest_metadata.json").read_text()
    json.loads(metadata, parse_constant=pytest.fail)

    lost = {"loss": math.nan, "psnr": 0.0}
    with pytest.raises(DivergedError, match="epoch 1: the loss of batch 1 is no longer a number"):
        train(brightness_run(step=lambda _pixels: lost), noise, tmp_path)


def test_weights_broken_by_the_last_step_are_not_saved(
    brightness_run: NewRun, noise: torch.Tensor, tmp_path: Path
) -> None:
    """One batch an epoch: the loss is still a number when the step that follows it is not."""

    def breaking(run: Run[Any], pixels: torch.Tensor) -> Mapping[str, float]:
        figures = run.step(pixels)
        with torch.no_grad():
            next(run.networks[0].parameters()).fill_(math.inf)
        return figures

    for saving, last in ((Saving(), "the last batch"), (Saving(every_steps=1), "batch 1")):
        run = brightness_run(batch_size=len(noise))
        broken = replace(run, step=partial(breaking, run))
        with pytest.raises(DivergedError, match=f"epoch 1: a weight after {last} is no longer"):
            train(broken, noise, tmp_path, saving=saving)
        assert list((tmp_path / "models").iterdir()) == []
