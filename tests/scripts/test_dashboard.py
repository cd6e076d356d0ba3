"""What is shown while a run goes on, by reports as the loop gives them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image

from chunkport.errors import UsageError
from scripts import _dashboard
from scripts._dashboard import Dashboard
from scripts.train_gan import command
from train.curves import Panel
from train.gan_config import GanConfig
from train.loop import BatchReport, EpochReport
from train.signs import Sign

CONFIG = GanConfig(epochs=4)
RESUMED = "chunkport train-gan --output-dir out --epochs 4 --resume out/models/latest_model.pth"


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[click.Context]:
    """Within `chunkport train-gan --epochs 4 -o out`, whose folder is there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out" / "models").mkdir(parents=True)
    with command.make_context("train-gan", ["--epochs", "4", "-o", "out"]) as context:
        yield context


def batch(epoch: int, batch: int) -> BatchReport:
    return BatchReport(epoch, 4, batch, 5, {"D_loss": 1.0})


def epoch_report(epoch: int) -> EpochReport:
    sample = Path("out/training_progress") / f"epoch_{epoch:03d}.png"
    sample.parent.mkdir(exist_ok=True)
    Image.fromarray(np.full((8, 8), 60 * epoch, np.uint8)).save(sample)
    stats = {
        "step": 5 * epoch, "seconds": 2.0, "images_per_second": 12.5, "rss_bytes": 440_000_000,
    }  # fmt: skip
    history = {"D_loss": [1.0 / done for done in range(1, epoch + 1)]}
    panels = (Panel("Losses", "nats", {"D_loss": "discriminator"}),)
    latest = Path("out/models/latest_model.pth")
    signs = (
        Sign("steady", good=True, sentence="the losses are steady"),
        Sign("weak", good=False, sentence="D guesses", remedy="a higher rate"),
    )[: 2 - epoch // 4]
    return EpochReport(epoch, 4, {"D_loss": 1.0}, latest, sample, stats, history, panels, signs)


def shown() -> str:
    text = re.sub(r"<style>.*?</style>", "", Path("out/training.html").read_text(), flags=re.DOTALL)
    return " ".join(re.sub(r"<(?!meta)[^>]*>", " ", text).split())


def write_index() -> None:
    entry = {
        "file": "best_model.pth", "kind": "best", "epoch": 1, "step": 5, "metrics": {"G_loss": 0.5},
        "size_bytes": 940_000,
    }  # fmt: skip
    document = {"metric": "G_loss", "best": "best_model.pth", "models": [entry]}
    Path("out/models/models_index.json").write_text(json.dumps(document))


@pytest.mark.usefixtures("typed")
def test_the_page_follows_the_run_to_its_end() -> None:
    said: list[str] = []
    dashboard = Dashboard(CONFIG, said.append)
    write_index()  # of an earlier run
    with dashboard:
        dashboard.on_batch(batch(1, 1))
        assert "5% Epoch 1 of 4, just begun." in shown()
        assert 'http-equiv="refresh"' in shown()
        assert "chunkport train-gan --output-dir out --epochs 4" in shown()
        assert "--resume" not in shown()
        assert "best_model.pth" not in shown()
        dashboard.hear("[CHUNKED] Saved 3 chunks (max 5.0MB)")
        dashboard.hear("Warning: D_loss is near 0: the discriminator is too strong")
        dashboard.on_batch(batch(1, 2))  # at once, so not written yet
        assert "D_loss is near 0" not in shown()
        dashboard.on_epoch(epoch_report(1))
        assert "! Warning D_loss is near 0: the discriminator is too strong" in shown()
        assert "CHUNKED" not in shown()
        assert "Signs ✗ Failure weak : D guesses. Try a higher rate. ✓ Success steady" in shown()
        assert re.search(r"25% Epoch 2 of 4, about \d+ (s|min) left\.", shown())
        assert "best_model.pth best 1 5 0.5 0.94" in shown()
        assert RESUMED in shown()
        for epoch in (2, 3, 4):
            dashboard.on_epoch(epoch_report(epoch))
        assert "Signs ✓ Success steady : the losses are steady. What the run said" in shown()
    assert "Done All 4 epochs are trained." in shown()
    assert 'http-equiv="refresh"' not in shown()
    assert "--resume" not in shown()
    assert "epoch 1 epoch 2 epoch 3" in shown()
    assert "440.00" in shown()
    assert said == []


@pytest.mark.usefixtures("typed")
@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (KeyboardInterrupt(), "Stopped Interrupted after 1 of 4 epochs."),
        (UsageError("disk: full"), "Failed Broke off after 1 of 4 epochs. disk: full"),
    ],
)
def test_the_page_says_how_a_run_ended_and_how_to_go_on(
    error: BaseException, expected: str
) -> None:
    dashboard = Dashboard(CONFIG, lambda _said: None)
    with pytest.raises(type(error)), dashboard:  # noqa: PT012 - the block is the training
        dashboard.on_epoch(epoch_report(1))
        dashboard.on_batch(batch(2, 3))
        raise error
    assert expected in shown()
    assert 'http-equiv="refresh"' not in shown()
    assert RESUMED in shown()


def test_a_resumed_run_shows_what_came_before(typed: click.Context) -> None:
    typed.params["resume"] = Path("out/models/latest_model.pth")
    write_index()
    for epoch in (1, 2, 4):  # the last of an attempt that was given up
        epoch_report(epoch)
    dashboard = Dashboard(CONFIG, lambda _said: None)
    with dashboard:
        dashboard.on_batch(batch(3, 1))
        assert "55% Epoch 3 of 4, just begun." in shown()
        assert "best_model.pth" in shown()
        dashboard.on_epoch(epoch_report(3))
        assert "After epoch 3" in shown()
        assert "epoch 1 epoch 2" in shown()
        assert "epoch 4" not in shown()


@pytest.mark.usefixtures("typed")
def test_many_pictures_are_thinned_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_dashboard, "_MOST_EARLIER", 2)
    dashboard = Dashboard(CONFIG, lambda _said: None)
    with dashboard:
        for epoch in (1, 2, 3, 4):
            dashboard.on_epoch(epoch_report(epoch))
    assert "full size. epoch 1 epoch 3 Checkpoints" in shown()


@pytest.mark.usefixtures("typed")
def test_a_page_that_cannot_be_written_stops_nothing() -> None:
    Path("out/training.html").mkdir()
    said: list[str] = []
    dashboard = Dashboard(CONFIG, said.append)
    with dashboard:
        dashboard.on_epoch(epoch_report(1))
    warning = "Warning: out/training.html: is not written (Is a directory); training goes on."
    assert said == [warning] * 2


@pytest.mark.usefixtures("typed")
def test_a_run_that_was_refused_leaves_the_page_of_another_alone() -> None:
    Path("out/training.html").write_text("of a run that is done")
    dashboard = Dashboard(CONFIG, lambda _said: None)
    with pytest.raises(UsageError), dashboard:
        raise UsageError("seed 0 became 7")
    assert Path("out/training.html").read_text() == "of a run that is done"
