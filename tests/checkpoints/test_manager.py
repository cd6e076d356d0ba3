"""A training loop's checkpoints, as its author uses them."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import StepLR
from torch.optim.swa_utils import AveragedModel

from checkpoints import CheckpointManager, load_model_chunked
from checkpoints.checkpoint_types import CHECKPOINT_TYPES
from chunkport.errors import BadInputError, UsageError


class Run:
    """A run whose every part has a state, and whose every step draws of every generator."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.first = nn.Linear(4, 8)
        self.model = nn.Sequential(self.first, nn.Dropout(0.5), nn.Linear(8, 1))
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.01)
        self.scheduler = StepLR(self.optimizer, 2, gamma=0.5)
        self.ema = AveragedModel(self.model)
        self.history: dict[str, list[float]] = {"loss": []}

    @property
    def parts(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "optimizer": self.optimizer,
            "scheduler": self.scheduler,
            "ema": self.ema,
        }

    def step(self) -> None:
        scale = random.random() + np.random.random()  # noqa: NPY002, S311 - the global generators
        loss = self.model(torch.randn(8, 4)).mul(scale).square().mean()
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        self.optimizer.step()
        self.scheduler.step()
        self.ema.update_parameters(self.model)
        self.history["loss"].append(loss.item())


def quiet(_message: str) -> None:
    """Announce nothing."""


Open = Callable[..., CheckpointManager]


@pytest.fixture
def manager(tmp_path: Path) -> Open:
    def make(**options: Any) -> CheckpointManager:
        return CheckpointManager(tmp_path, **{"metric": "f1", "announce": quiet, **options})

    return make


def models(folder: Path) -> list[str]:
    """The checkpoints in a folder, which its index must list too."""
    found = sorted(path.name for path in folder.glob("*.pth") if ".chunk_" not in path.name)
    index = json.loads((folder / "models_index.json").read_text())
    assert [model["file"] for model in index["models"]] == found
    metadata = sorted(path.name for path in folder.glob("*_metadata.json"))
    assert metadata == sorted(model["metadata"] for model in index["models"])
    return found


@pytest.mark.parametrize("background", [False, True], ids=["foreground", "background"])
@pytest.mark.parametrize("cap_mb", [90, 0.0625])
@pytest.mark.parametrize("container", ["pth", "safetensors"])
def test_a_resumed_run_ends_with_the_same_bits(
    manager: Open, background: bool, cap_mb: float, container: str
) -> None:
    whole = Run()
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002 - the global generator is meant
    config = {"width": 8}
    with manager(background=background, max_chunk_mb=cap_mb, container=container) as checkpoints:
        for epoch in (1, 2):
            whole.step()
            at: dict[str, Any] = {"epoch": epoch, "step": epoch, "config": config}
            checkpoints.save_epoch(**whole.parts, **at, history=whole.history)
        whole.step()  # while epoch 2 may still be being written
        whole.step()
    after = (random.random(), torch.rand(1))  # noqa: S311 - nothing secret about it

    resumed = Run()
    with manager(background=background, container=container) as checkpoints:
        told = checkpoints.resume_from_checkpoint(**resumed.parts, config=config)
        resumed.history = told["history"]
    assert (told["epoch"], told["global_step"], told["checkpoint_type"]) == (2, 2, "latest")
    assert told["config"] == config
    resumed.step()
    resumed.step()

    for key, value in whole.ema.state_dict().items():
        assert torch.equal(value, resumed.ema.state_dict()[key]), key
    for key, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[key]), key
    states = [run.optimizer.state_dict()["state"] for run in (whole, resumed)]
    for number, state in states[0].items():
        for key, value in state.items():
            assert torch.equal(value, states[1][number][key]), (number, key)
    assert whole.scheduler.state_dict() == resumed.scheduler.state_dict()
    assert whole.history == resumed.history
    assert (random.random(), torch.rand(1)) == after  # noqa: S311 - nothing secret about it


def test_names_and_what_stays(manager: Open, tmp_path: Path) -> None:
    run = Run()
    scores = {1: 0.1, 2: 0.9, 3: 0.3, 4: 0.3, 5: float("nan"), 6: 0.2}
    with manager(keep_top_k=2) as checkpoints:
        for epoch, score in scores.items():
            at: dict[str, Any] = {"epoch": epoch, "step": 100 * epoch, "metrics": {"f1": score}}
            checkpoints.save_epoch(**run.parts, **at)
            saved = checkpoints.save_checkpoint(**run.parts, **at, checkpoint_type="regular")
            assert (saved is None) == (epoch in (5, 6)), epoch
    assert models(tmp_path) == [
        "checkpoint_best_f1.pth",
        *(f"checkpoint_epoch_{epoch}.pth" for epoch in scores),
        "checkpoint_latest.pth",
        "checkpoint_step_200.pth",
        "checkpoint_step_400.pth",
    ]
    assert load_model_chunked(tmp_path / "checkpoint_best_f1.pth")["epoch"] == 2


def test_what_is_best_outlasts_the_process(manager: Open, tmp_path: Path) -> None:
    run = Run()

    def offer(epoch: int, score: float, **options: Any) -> bool:
        with manager(**options) as checkpoints:
            saved = checkpoints.save_checkpoint(
                run.model, epoch=epoch, step=epoch, metrics={"f1": score}, checkpoint_type="best"
            )
        return saved is not None

    assert offer(1, 0.5)
    assert not offer(2, 0.5)
    (tmp_path / "models_index.json").write_text("{}")  # the checkpoints decide, not the index
    assert not offer(3, 0.4)
    assert offer(4, 0.4, mode="min")
    assert models(tmp_path) == ["checkpoint_best_f1.pth"]
    (tmp_path / "checkpoint_best_f1.pth").unlink()
    assert offer(5, 0.1)


def test_other_runs_and_attempts_given_up_are_neither_compared_nor_removed(
    manager: Open, tmp_path: Path
) -> None:
    run = Run()

    def save(step: int, score: float, config: dict[str, int]) -> None:
        with manager(keep_top_k=1) as checkpoints:
            checkpoints.save_checkpoint(
                run.model,
                step=step,
                metrics={"f1": score},
                config=config,
                checkpoint_type="step",
            )

    save(10, 0.9, {"width": 8})
    save(20, 0.1, {"width": 16})  # another run: stays beside a better one
    assert models(tmp_path) == ["checkpoint_step_10.pth", "checkpoint_step_20.pth"]
    save(5, 0.2, {"width": 8})  # before step 10, which is of an attempt that was given up
    assert "checkpoint_step_5.pth" in models(tmp_path)
    save(11, 0.95, {"width": 8})
    assert models(tmp_path) == ["checkpoint_step_11.pth", "checkpoint_step_20.pth"]


def test_without_a_metric_the_newest_stay(manager: Open, tmp_path: Path) -> None:
    run = Run()
    with manager(metric=None, save_total_limit=2) as checkpoints:
        for step in (1, 2, 3):
            checkpoints.save_checkpoint(run.model, step=step, checkpoint_type="step")
    assert models(tmp_path) == ["checkpoint_step_2.pth", "checkpoint_step_3.pth"]
    with manager(metric=None, keep_top_k=None) as checkpoints:
        for step in (4, 5, 6):
            checkpoints.save_checkpoint(run.model, step=step, checkpoint_type="step")
    assert len(models(tmp_path)) == 5


def test_another_config_is_an_error_that_shows_the_difference(manager: Open) -> None:
    run = Run()
    with manager(may_change={"epochs"}) as checkpoints:
        checkpoints.save_checkpoint(run.model, config={"width": 8, "lr": 0.1, "epochs": 3})
        with pytest.raises(UsageError, match=r"checkpoint_latest\.pth: lr 0\.1 became 0\.2; res"):
            checkpoints.resume_from_checkpoint(
                model=run.model, config={"width": 8, "lr": 0.2, "epochs": 9}
            )
        same = {"width": 8, "lr": 0.1, "epochs": 9}
        assert checkpoints.resume_from_checkpoint(model=run.model, config=same)["config"]["epochs"]


def test_weights_alone_leave_the_random_numbers_and_the_optimizer(
    manager: Open, tmp_path: Path
) -> None:
    saved, other = Run(), Run()
    saved.step()
    with manager() as checkpoints:
        path = checkpoints.save_checkpoint(**saved.parts)
        assert path == tmp_path / "checkpoint_latest.pth"
        torch.manual_seed(5)
        expected = torch.rand(1)
        torch.manual_seed(5)
        checkpoints.load_checkpoint(path, **other.parts, load_training_state=False)
    assert torch.equal(torch.rand(1), expected)
    assert torch.equal(other.first.weight, saved.first.weight)
    assert other.optimizer.state_dict()["state"] == {}


@pytest.mark.parametrize(
    ("options", "call", "message"),
    [
        ({}, {"checkpoint_type": "bset"}, "unknown 'bset'. Did you mean 'best'"),
        ({}, {"checkpoint_type": "best"}, "no 'f1', by which the best is chosen; there are: none"),
        ({}, {"metrics": {"val_f1": 1.0}}, "no 'f1', by .* there are: val_f1"),
        ({"metric": None}, {"checkpoint_type": "best"}, "'best' by what"),
        ({"container": "zip"}, {}, "container 'zip': choose one of pth, safetensors"),
        ({"keep_top_k": 0}, {}, "keep: is 0"),
        ({"mode": "most"}, {}, "mode: is 'most'"),
        ({}, {"history": {"net": len}}, "history/net holds a value of type"),
        ({"background": True}, {"history": {"net": len}}, "history/net holds a value of type"),
    ],
)
def test_mistakes_are_told_at_once(
    manager: Open,
    tmp_path: Path,
    options: dict[str, Any],
    call: dict[str, Any],
    message: str,
) -> None:
    with pytest.raises(UsageError, match=message), manager(**options) as checkpoints:
        checkpoints.save_checkpoint(nn.Linear(1, 1), **call)
    assert not list(tmp_path.glob("*.pth"))


def test_nothing_to_resume_from_is_told(manager: Open) -> None:
    with pytest.raises(BadInputError, match=r"checkpoint_latest\.pth: no such checkpoint"):
        manager().resume_from_checkpoint(model=nn.Linear(1, 1))


def test_a_damaged_neighbour_stops_no_save(tmp_path: Path) -> None:
    (tmp_path / "checkpoint_step_1.pth").write_bytes(b"half")
    said: list[str] = []
    with CheckpointManager(tmp_path, keep_top_k=1, announce=said.append) as checkpoints:
        for step in (2, 3):
            checkpoints.save_checkpoint(nn.Linear(1, 1), step=step, checkpoint_type="step")
    assert (tmp_path / "checkpoint_step_1.pth").read_bytes() == b"half"
    assert not (tmp_path / "checkpoint_step_2.pth").exists()
    assert any("checkpoint_step_1.pth" in line for line in said)


@pytest.mark.parametrize("kind", CHECKPOINT_TYPES)
def test_every_type_can_be_saved(manager: Open, tmp_path: Path, kind: str) -> None:
    with manager() as checkpoints:
        path = checkpoints.save_checkpoint(
            nn.Linear(1, 1), epoch=2, step=7, metrics={"f1": 1.0}, checkpoint_type=kind
        )
    number = {"epoch": "_2", "step": "_7", "regular": "_7", "best": "_f1"}.get(kind, "")
    name = "step" if kind == "regular" else kind
    assert path == tmp_path / f"checkpoint_{name}{number}.pth"
    assert load_model_chunked(path)["checkpoint_type"] == name


def test_a_cap_that_no_save_could_keep_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="max_chunk_mb: 0 is too small"):
        CheckpointManager(tmp_path / "run", max_chunk_mb=0)
    assert list(tmp_path.iterdir()) == []
