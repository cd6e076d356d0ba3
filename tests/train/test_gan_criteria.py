"""Which checkpoints of a GAN run are the better ones."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from checkpoints import load_model_chunked
from train.gan import gan_run
from train.gan_config import GanConfig
from train.gan_criteria import CRITERIA
from train.gan_evaluation import EVALUATION_KEYS
from train.gan_step import STEP_KEYS
from train.saving import RunCheckpoints, Saving

TWENTY = GanConfig(epochs=20, batch_size=4, width=2, noise_dim=8, average_decay=0.0)
Reached = tuple[int, float, float]


def saved_as_best(
    images: torch.Tensor, folder: Path, reached: list[Reached], **saving: Any
) -> list[int]:
    """The epochs that became the best, of these with their D(real) and D(fake)."""
    bests = []
    run = gan_run(TWENTY, images)
    with RunCheckpoints(folder, Saving(**saving), run, lambda _message: None) as checkpoints:
        for epoch, d_real, d_fake in reached:
            figures = (1.0 + epoch, 2.0 - epoch / 10, d_real, d_fake)
            run.progress.history = {
                key: [math.nan] * (epoch - 1) + [figure]
                for key, figure in zip(STEP_KEYS, figures, strict=True)
            } | {key: [math.nan] * epoch for key in EVALUATION_KEYS}
            run.progress.step = 10 * epoch
            checkpoints.save_epoch(run.ship())
            best = checkpoints.best
            if best is not None and load_model_chunked(best)["epoch"] == epoch:
                bests.append(epoch)
    return bests


def test_d_fake_counts_after_the_warm_up_and_while_the_discriminator_knows(
    images: torch.Tensor, tmp_path: Path
) -> None:
    reached = [
        (1, 0.9, 0.499),  # in the first tenth: an untrained one guesses too
        (2, 0.9, 0.5),
        (3, 0.52, 0.5),  # D(real) is not above D(fake) by 0.05
        (4, 0.9, 0.1),
        (5, 0.9, 0.7),
        (6, 0.9, 0.3),  # as near as before
        (7, 0.9, 0.55),
        (8, 0.9, 0.8),
    ]
    assert saved_as_best(images, tmp_path, reached, metric="d-fake") == [4, 5, 7]
    index = json.loads((tmp_path / "models_index.json").read_text())
    assert (index["metric"], index["mode"]) == ("D_fake_distance", "min")


@pytest.mark.parametrize(
    ("options", "bests"),
    [
        ({"metric": "d-loss"}, [1, 2, 3]),
        ({"metric": "d-loss", "mode": "min"}, [1]),
        ({"metric": "g-loss"}, [1, 2, 3]),
        ({"metric": "g-loss", "mode": "max"}, [1]),
    ],
)
def test_losses_count_as_they_are(
    images: torch.Tensor, tmp_path: Path, options: dict[str, str], bests: list[int]
) -> None:
    reached = [(epoch, 0.9, 0.1) for epoch in (1, 2, 3)]
    assert saved_as_best(images, tmp_path, reached, **options) == bests


def test_the_command_offers_the_criteria_that_there_are() -> None:
    from scripts.train_gan import command

    flag = next(option for option in command.params if option.name == "metric")
    assert list(flag.type.choices) == list(CRITERIA)  # type: ignore[attr-defined]  # a click.Choice
