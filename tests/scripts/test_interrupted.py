"""What is said of an interrupted run."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
import torch
from click.testing import CliRunner

from checkpoints import save_model_chunked
from scripts._interrupted import how_to_go_on

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@click.command("train-it")
@click.option("--epochs", type=int, default=5)
@click.option("-o", "--output-dir", type=click.Path(path_type=Path), default=Path())
@click.option("--softly/--no-softly", default=None)
@click.option("--background-save", is_flag=True)
@click.option("--resume", type=click.Path(path_type=Path))
@click.option("--began", type=click.DateTime(), hidden=True)
def train_it(epochs: int, began: datetime | None, **_others: object) -> None:
    since = LONG_AGO if began is None else began.replace(tzinfo=UTC)
    click.echo(how_to_go_on(since, epochs))


def said(*arguments: str) -> str:
    ended = CliRunner().invoke(train_it, arguments, catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    return ended.output


def save(path: Path, kind: str, epoch: int, step: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    facts = {"epoch": epoch, "global_step": step, "checkpoint_type": kind}
    save_model_chunked({**facts, "weight": torch.zeros(2)}, path, announce=lambda _line: None)


@pytest.mark.parametrize("flag", ["--softly", "--no-softly", "--background-save"])
def test_the_command_is_the_one_that_was_typed(tmp_path: Path, flag: str) -> None:
    folder = tmp_path / "my run"
    save(folder / "models" / "latest_model.pth", "latest", 3, 12)
    save(folder / "models" / "best_model.pth", "best", 2, 8)
    latest = folder / "models" / "latest_model.pth"
    told = said(flag, "-o", str(folder), "--resume", "an_old.pth")
    assert f"{latest} holds the state after epoch 3 of 5, step 12." in told
    assert "Every checkpoint in" in told
    command = f"chunkport train-it --output-dir '{folder}' {flag} --resume '{latest}'"
    assert told.endswith(f"\nGo on with: {command}\n")


def test_a_later_step_is_gone_on_from(tmp_path: Path) -> None:
    save(tmp_path / "models" / "latest_model.pth", "latest", 3, 12)
    save(tmp_path / "models" / "checkpoint_step_14.pth", "step", 3, 14)
    assert f"--resume {tmp_path}/models/checkpoint_step_14.pth" in said("-o", str(tmp_path))


def test_what_another_run_left_is_not_gone_on_from(tmp_path: Path) -> None:
    save(tmp_path / "models" / "latest_model.pth", "latest", 3, 12)
    later = datetime.now(UTC) + timedelta(hours=1)
    asked = ("-o", str(tmp_path), "--began", f"{later:%Y-%m-%d %H:%M:%S}")
    told = said(*asked)
    assert told.startswith("Nothing was saved since it began: no epoch was over.\nGo on with: ")
    assert "--resume" not in told
    assert "--resume a.pth" in said(*asked, "--resume", "a.pth")


def test_a_run_that_had_ended_is_only_told_of(tmp_path: Path) -> None:
    save(tmp_path / "models" / "final_gan.pth", "final", 5, 20)
    assert "Go on" not in said("-o", str(tmp_path))
