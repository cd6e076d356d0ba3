"""What a run leaves beside its checkpoints, while it goes on and when it is taken up again."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import torch

from train.loop import BatchReport, EpochReport, train
from train.record import resident_bytes
from train.run import Run
from train.saving import Saving

NewRun = Callable[..., Run[Any]]


class StopError(Exception):
    """Somebody pressed Ctrl+C."""


def lines_in(folder: Path, kind: str = "epoch") -> list[dict[str, Any]]:
    text = (folder / "stats.jsonl").read_text(encoding="utf-8")
    lines = [json.loads(line, parse_constant=pytest.fail) for line in text.splitlines()]
    return [line for line in lines if line["kind"] == kind]


def test_every_epoch_has_its_line_as_soon_as_it_is_over(
    brightness_run: NewRun, noise: torch.Tensor, tmp_path: Path
) -> None:
    run = replace(brightness_run(), rates=lambda: {"learning_rate": 0.02})
    reports: list[EpochReport] = []

    def on_epoch(report: EpochReport) -> None:
        reports.append(report)
        assert lines_in(tmp_path)[-1] == report.stats

    result = train(run, noise, tmp_path, on_epoch=on_epoch)
    lines = lines_in(tmp_path)
    assert [(line["epoch"], line["step"]) for line in lines] == [(1, 2), (2, 4), (3, 6), (4, 8)]
    for key, values in result.history.items():
        assert [line[key] for line in lines] == list(values)
    assert {line["learning_rate"] for line in lines} == {0.02}
    assert {line["images"] for line in lines} == {8}  # an incomplete batch is left out
    for line in lines:
        assert line["images"] / line["images_per_second"] <= line["seconds"]
        assert datetime.fromisoformat(line["time"]).tzinfo is not None
    assert reports[-1].history == result.history
    assert reports[-1].panels == run.panels


def test_steps_have_lines_too_where_they_are_asked_for(
    brightness_run: NewRun, noise: torch.Tensor, tmp_path: Path
) -> None:
    steps: list[float] = []
    saving = Saving(stats_every_steps=3)
    run = brightness_run(epochs=3, batch_size=2, panels=())  # of five steps each
    train(
        run,
        noise,
        tmp_path,
        saving=saving,
        on_batch=lambda report: steps.append(report.figures["loss"]),
    )
    lines = lines_in(tmp_path, "steps")
    assert [(line["epoch"], line["step"]) for line in lines] == [
        (1, 3), (2, 6), (2, 9), (3, 12), (3, 15),
    ]  # fmt: skip
    expected = [steps[0:3], steps[5:6], steps[6:9], steps[10:12], steps[12:15]]
    assert [line["loss"] for line in lines] == [pytest.approx(sum(it) / len(it)) for it in expected]
    assert [line["images"] for line in lines] == [6, 2, 6, 4, 6]


def test_no_epoch_stands_twice_after_going_back(
    brightness_run: NewRun, noise: torch.Tensor, tmp_path: Path
) -> None:
    def on_batch(report: BatchReport) -> None:
        if (report.epoch, report.batch) == (4, 1):
            raise StopError

    saving = Saving(every_epochs=2, stats_every_steps=1)
    with pytest.raises(StopError):
        train(brightness_run(panels=()), noise, tmp_path, saving=saving, on_batch=on_batch)
    with (tmp_path / "stats.jsonl").open("a") as file:
        file.write('{"kind": "ste')  # and was killed
    assert [line["epoch"] for line in lines_in_whole(tmp_path)] == [1, 2, 3]
    said: list[str] = []
    earlier = tmp_path / "models" / "checkpoint_epoch_002.pth"
    resumed = train(
        brightness_run(panels=()),
        noise,
        tmp_path,
        saving=saving,
        resume=earlier,
        announce=said.append,
    )
    assert [line["epoch"] for line in lines_in(tmp_path)] == [1, 2, 3, 4]
    assert [line["step"] for line in lines_in(tmp_path, "steps")] == list(range(1, 9))
    assert [line["loss"] for line in lines_in(tmp_path)] == list(resumed.history["loss"])
    assert f"{tmp_path / 'stats.jsonl'}: 5 lines after step 4 cut off." in said


def lines_in_whole(folder: Path) -> list[dict[str, Any]]:
    """The epochs' lines but for a last one that is incomplete."""
    whole = (folder / "stats.jsonl").read_text().rpartition("\n")[0].splitlines()
    return [line for line in map(json.loads, whole) if line["kind"] == "epoch"]


def test_a_new_run_begins_a_new_file(
    brightness_run: NewRun, noise: torch.Tensor, tmp_path: Path
) -> None:
    train(brightness_run(panels=()), noise, tmp_path)
    said: list[str] = []
    train(brightness_run(epochs=2, panels=()), noise, tmp_path, announce=said.append)
    assert [line["epoch"] for line in lines_in(tmp_path)] == [1, 2]
    assert f"{tmp_path / 'stats.jsonl'}: 4 lines of another run cut off." in said


def test_statistics_that_cannot_be_written_stop_nothing(
    brightness_run: NewRun, noise: torch.Tensor, tmp_path: Path
) -> None:
    (tmp_path / "stats.jsonl").mkdir()
    said: list[str] = []
    assert train(brightness_run(panels=()), noise, tmp_path, announce=said.append).epochs == 4
    assert len({line for line in said if "stats.jsonl: lacks lines of this run" in line}) == 1


def test_the_memory_of_the_process_is_what_the_system_says() -> None:
    before = resident_bytes()
    if before is None:
        pytest.skip("this system does not tell")
    block = bytearray(b"x" * (32 << 20))
    after = resident_bytes()
    assert after is not None
    assert after - before > 24 << 20, len(block)
