"""Runs that stop and go on: to the same bits, after whatever stopped them, or not at all."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from checkpoints import load_model_chunked
from chunkport.errors import BadInputError, UsageError
from train.gan import train_gan
from train.gan_config import GanConfig
from train.loop import BatchReport, EpochReport
from train.saving import Saving

TINY = GanConfig(epochs=2, batch_size=4, width=2, noise_dim=8, average_decay=0.9)
FOUR = replace(TINY, epochs=4)
Same = Callable[[Any, Any], None]


class StopError(Exception):
    """Somebody pressed Ctrl+C."""


def stop_after(epoch: int, batch: int | None = None) -> dict[str, Any]:
    def on_epoch(report: EpochReport) -> None:
        if batch is None and report.epoch == epoch:
            raise StopError

    def on_batch(report: BatchReport) -> None:
        if (report.epoch, report.batch) == (epoch, batch):
            raise StopError

    return {"on_epoch": on_epoch, "on_batch": on_batch}


@pytest.fixture(scope="module")
def whole(images: torch.Tensor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of four epochs that nothing stopped, saved in the foreground."""
    folder = tmp_path_factory.mktemp("whole")
    train_gan(images, FOUR, folder)
    return folder / "models"


@pytest.mark.parametrize("background", [False, True], ids=["foreground", "background"])
def test_two_epochs_and_two_more_are_four_to_the_bit(
    images: torch.Tensor, tmp_path: Path, whole: Path, assert_same: Same, background: bool
) -> None:
    """Weights, average, both Adams, random states, history, and which epoch was the best."""
    saving = Saving(background=background)
    with pytest.raises(StopError):
        train_gan(images, FOUR, tmp_path, saving=saving, **stop_after(2))
    torch.rand(17)  # whatever else drew random numbers must not matter
    latest = tmp_path / "models" / "latest_model.pth"
    assert load_model_chunked(latest)["epoch"] == 2
    train_gan(images, FOUR, tmp_path, resume=latest, saving=saving)

    names = [path.name for path in whole.glob("*.pth")]
    assert sorted(names) == sorted(path.name for path in (tmp_path / "models").glob("*.pth"))
    for name in names:
        before, after = load_model_chunked(whole / name), load_model_chunked(latest.parent / name)
        assert_same(before, after)
        assert before["random_state"]["cpu"].numel() > 0
        assert before["averaged_steps"] == before["global_step"] > 0


@pytest.mark.parametrize("batch", [1, 2], ids=["within an epoch", "before its end"])
def test_a_run_goes_on_within_an_epoch_to_the_same_bits(
    images: torch.Tensor, tmp_path: Path, whole: Path, assert_same: Same, batch: int
) -> None:
    """Two batches an epoch: after one the order of the rest, after two the epoch's means."""
    saving = Saving(every_steps=1, keep_top_k=99)
    with pytest.raises(StopError):
        train_gan(images, FOUR, tmp_path, saving=saving, **stop_after(2, batch))
    step = tmp_path / "models" / f"checkpoint_step_{2 + batch}.pth"
    saved = load_model_chunked(step)
    assert (saved["epoch"], len(saved["epoch_steps"]["D_loss"])) == (1, batch)
    resumed = train_gan(images, FOUR, tmp_path / "on", resume=step)
    assert_same(
        load_model_chunked(whole / "latest_model.pth"), load_model_chunked(resumed.checkpoint)
    )


def test_more_epochs_can_be_asked_for_later(
    images: torch.Tensor, tmp_path: Path, assert_same: Same
) -> None:
    whole = train_gan(images, TINY, tmp_path / "whole")
    first = train_gan(images, replace(TINY, epochs=1), tmp_path / "parts")
    second = train_gan(images, TINY, tmp_path / "parts", resume=first.checkpoint)
    assert_same(load_model_chunked(whole.checkpoint), load_model_chunked(second.checkpoint))


def test_resuming_under_another_config_is_refused(images: torch.Tensor, tmp_path: Path) -> None:
    first = train_gan(images, replace(TINY, epochs=1), tmp_path)
    with pytest.raises(UsageError, match="width 2 became 8; resume with the values of that run"):
        train_gan(images, replace(TINY, width=8), tmp_path, resume=first.checkpoint)
    with pytest.raises(UsageError, match="has 1 epochs behind it already"):
        train_gan(images, replace(TINY, epochs=1), tmp_path, resume=first.checkpoint)


def test_resuming_from_something_else_is_refused(images: torch.Tensor, tmp_path: Path) -> None:
    other = tmp_path / "other.pth"
    torch.save({"model": torch.zeros(3)}, other)
    with pytest.raises(BadInputError, match=r"other\.pth: has no config; resume from a training"):
        train_gan(images, TINY, tmp_path, resume=other)
    torch.save({"config": {"nbits": 4}}, other)
    with pytest.raises(BadInputError, match=r"other\.pth: is of another task or version, by its"):
        train_gan(images, TINY, tmp_path, resume=other)
    torch.save({"config": TINY.as_dict()}, other)
    with pytest.raises(BadInputError, match=r"other\.pth: has no 'generator_raw_state_dict'"):
        train_gan(images, TINY, tmp_path, resume=other)
    for_use: dict[str, Any] = {
        "generator_raw_state_dict": {},
        "discriminator_state_dict": {},
    }  # as of 8 bits
    torch.save({"config": TINY.as_dict(), **for_use}, other)
    with pytest.raises(BadInputError, match=r"has no 'optimizer_G_state_dict'; resume from a tra"):
        train_gan(images, TINY, tmp_path, resume=other)


def test_an_epoch_is_not_taken_up_with_other_images(images: torch.Tensor, tmp_path: Path) -> None:
    """Its order is drawn over all of them; between epochs there may be more or fewer."""
    saving = Saving(every_steps=1, keep_top_k=99)
    train_gan(images, TINY, tmp_path, saving=saving)
    step = tmp_path / "models" / "checkpoint_step_3.pth"
    with pytest.raises(UsageError, match="within an epoch of 10 images, and there are 6 now"):
        train_gan(images[:6], TINY, tmp_path / "on", resume=step)
    between = tmp_path / "models" / "latest_model.pth"
    more = train_gan(images[:6], replace(TINY, epochs=3), tmp_path / "on", resume=between)
    assert more.epochs == 3
