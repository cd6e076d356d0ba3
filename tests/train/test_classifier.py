"""Classifier runs end to end, small ones: that they learn, what they leave, how they go on."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from checkpoints import load_model_chunked
from checkpoints.inference_folder import read_inference_folder
from chunkport.errors import UsageError
from networks.fruit_classifier import read_classifier
from train.classifier import train_classifier
from train.classifier_config import ClassifierConfig
from train.confusion import confuse
from train.fruits import render_fruit
from train.images import ImageSet, split_held_out
from train.loop import TrainingResult

KINDS = ("Banana", "Strawberry")
EACH = 24
CONFIG = ClassifierConfig(
    KINDS, epochs=6, batch_size=4, width=4, groups=2, learning_rate=4e-3, sample_every=9
)


@pytest.fixture(scope="module")
def fruit() -> ImageSet:
    drawn = [render_fruit(kind, seed) for kind in KINDS for seed in range(EACH)]
    return ImageSet(
        images=torch.from_numpy(np.stack(drawn))[:, None],
        labels=torch.arange(2).repeat_interleave(EACH),
        classes=KINDS,
        names=tuple(f"{kind}/{seed}.png" for kind in KINDS for seed in range(EACH)),
    )


def trained(fruit: ImageSet, folder: Path, **changes: Any) -> TrainingResult:
    resume = changes.pop("resume", None)
    training, held_out = split_held_out(fruit, 0.2)
    told = {"data": "two kinds"}
    config = replace(CONFIG, **changes)
    return train_classifier(training, held_out, config, folder, resume=resume, provenance=told)


@pytest.fixture(scope="module")
def run(fruit: ImageSet, tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    return trained(fruit, tmp_path_factory.mktemp("run"))


def test_it_learns_to_tell_fruit_apart_that_it_was_not_shown(
    fruit: ImageSet, run: TrainingResult
) -> None:
    _, held_out = split_held_out(fruit, 0.2)
    assert run.best is not None
    network, classes = read_classifier(load_model_chunked(run.best), "best")
    assert classes == KINDS
    assert confuse(network, held_out).accuracy >= 0.9
    assert run.history["accuracy"][-1] >= 0.9
    assert run.history["loss"][-1] < run.history["loss"][0]


def test_the_best_is_the_one_of_least_held_out_loss(run: TrainingResult) -> None:
    assert run.best is not None
    losses = run.history["held_out_loss"]
    assert load_model_chunked(run.best)["epoch"] == losses.index(min(losses)) + 1


def test_it_leaves_curves_confusions_and_classifiers_for_use(run: TrainingResult) -> None:
    assert run.curves is not None
    pictures = [run.progress_folder / name for name in ("epoch_001.png", "epoch_006.png")]
    for picture in (run.curves, *pictures):
        with Image.open(picture) as image:
            image.verify()
    folder = read_inference_folder(run.inference_folders[-1])
    assert folder.architecture == "fruit-classifier"
    network, classes = read_classifier(load_model_chunked(folder.weights), "for use")
    assert (network.width, classes) == (4, KINDS)
    assert "## Convert" not in (folder.path / "README.md").read_text()
    assert "two kinds" in (folder.path / "training_metadata.json").read_text()


def test_resuming_it_ends_where_an_unbroken_run_does(
    fruit: ImageSet,
    run: TrainingResult,
    tmp_path: Path,
    assert_same: Callable[[Any, Any], None],
) -> None:
    # The rate falls over the epochs, so the broken run is one that was stopped, not a shorter one.
    broken = run.final.with_name("broken")
    stopped = _stopped_after_two(fruit, tmp_path)
    resumed = trained(fruit, broken, resume=stopped)
    ours, theirs = (load_model_chunked(result.final) for result in (run, resumed))
    for key in ("classifier_state_dict", "optimizer", "history"):
        assert_same(ours[key], theirs[key])


def _stopped_after_two(fruit: ImageSet, folder: Path) -> Path:
    class StopError(Exception):
        pass

    def stop(report: Any) -> None:
        if report.epoch == 2:
            raise StopError

    training, held_out = split_held_out(fruit, 0.2)
    with pytest.raises(StopError):
        train_classifier(training, held_out, CONFIG, folder, on_epoch=stop)
    return folder / "models" / "latest_model.pth"


def test_other_kinds_are_no_continuation(
    fruit: ImageSet, run: TrainingResult, tmp_path: Path
) -> None:
    other = replace(fruit, classes=("Banana", "Plum"))
    with pytest.raises(UsageError, match="classes"):
        trained(other, tmp_path, resume=run.final, epochs=9, classes=other.classes)
