import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from checkpoints import load_model_chunked, save_model_chunked
from checkpoints.models_index import write_index
from checkpoints.retention import Ranking
from chunkport.errors import UsageError
from scripts.prune_models import command

ROOT = Path(__file__).resolve().parents[2]
DAY = 86_400


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Five epochs in chunks, one a hundred days after the other, and the best."""
    for number, name in enumerate(["best_model", *(f"checkpoint_epoch_{n}" for n in range(5))]):
        saved = save_model_chunked(
            {"w": torch.full((30_000,), float(number))},
            tmp_path / f"{name}.pth",
            0.0625,
            announce=lambda _message: None,
        )
        written = time.time() - (500 - 100 * number) * DAY
        for file in tmp_path.glob(f"{saved.path.stem}.*"):
            os.utime(file, (written, written))
    return tmp_path


def run(*arguments: str | Path) -> dict[str, Any]:
    done = CliRunner().invoke(
        command, [*map(str, arguments), "--format", "json"], standalone_mode=False
    )
    if done.exception:
        raise done.exception
    assert done.return_value == 0
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def statuses(document: dict[str, Any]) -> dict[str, str]:
    return {Path(row["path"]).stem: row["status"] for row in document["checkpoints"]}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def test_by_itself_it_only_says_what_may_go(models: Path) -> None:
    before = names(models)
    found = run(models)
    assert statuses(found) == {
        "checkpoint_epoch_4": "stays",
        "checkpoint_epoch_3": "stays",
        "checkpoint_epoch_2": "stays",
        "checkpoint_epoch_1": "may go",
        "checkpoint_epoch_0": "may go",
        "best_model": "stays",
    }
    assert found["size_bytes_to_free"] > 2 * 120_000
    assert found["moved"] == 0
    assert found["next"].endswith("--older-than 30 --keep-last 3 --keep-best 1 --apply")
    assert names(models) == before


def test_applied_restored_and_emptied(models: Path) -> None:
    before = names(models)
    found = run(models, "--apply", "--keep-last", "1")
    assert found["moved"] == 4
    assert found["trash_size_bytes"] == found["size_bytes_to_free"]
    left = {path.name.split(".")[0] for path in models.iterdir() if path.name[0] != "."}
    assert left == {"best_model", "checkpoint_epoch_4"}
    assert run(models, "--restore")["restored"] == 4
    assert names(models) == before
    assert load_model_chunked(models / "checkpoint_epoch_0.pth")["w"][0] == 1.0
    run(models, "--apply")
    assert run(models, "--empty-trash")["deleted"] == 2
    assert [name for name in names(models) if "trash" in name or "epoch_0" in name] == []
    assert run(models, "--restore")["trash"] == []


def test_the_last_batch_comes_back_first(models: Path) -> None:
    run(models, "--apply", "--keep-last", "4")
    run(models, "--apply", "--keep-last", "2")
    restored = [run(models, "--restore")["trash"] for _ in range(3)]
    assert [[row["checkpoint"] for row in rows] for rows in restored] == [
        ["checkpoint_epoch_1.pth", "checkpoint_epoch_2.pth"],
        ["checkpoint_epoch_0.pth"],
        [],
    ]


def test_the_index_says_what_is_there(models: Path) -> None:
    def listed() -> list[str]:
        index = json.loads((models / "models_index.json").read_text())
        assert index["metric"] == "loss"
        return [entry["file"] for entry in index["models"]]

    write_index(models, Ranking("loss", "min"), print)
    before = listed()
    assert len(before) == 6
    run(models, "--apply")
    assert set(before) - set(listed()) == {"checkpoint_epoch_0.pth", "checkpoint_epoch_1.pth"}
    run(models, "--restore")
    assert listed() == before


def test_an_index_with_pins_is_left_as_it_is(models: Path) -> None:
    pinned = {"models": [{"file": "checkpoint_epoch_0.pth", "pinned": True}]}
    (models / "models_index.json").write_text(json.dumps(pinned))
    found = run(models, "--apply")
    assert statuses(found)["checkpoint_epoch_0"] == "stays"
    assert statuses(found)["checkpoint_epoch_1"] == "moved"
    assert json.loads((models / "models_index.json").read_text()) == pinned


def test_a_move_that_was_interrupted_is_finished_first(models: Path) -> None:
    run(models, "--apply")
    (place,) = (models / ".chunkport-trash").glob("*/checkpoint_epoch_0.pth")
    chunk = place / "checkpoint_epoch_0.chunk_001.pth"
    chunk.rename(models / chunk.name)  # as if killed before it was moved
    found = run(models)
    assert "checkpoint_epoch_0" not in statuses(found)
    assert chunk.exists()
    assert run(models, "--restore")["restored"] == 2


def test_pins_stay(models: Path) -> None:
    found = run(models, "--pin", "*_epoch_[01].pth")
    assert "may go" not in statuses(found).values()


def test_one_thing_at_a_time(models: Path) -> None:
    with pytest.raises(UsageError, match="three things; give one"):
        run(models, "--apply", "--restore")


@pytest.mark.integration
def test_as_a_program_it_tells_people_the_same(
    models: Path, run_python: Callable[..., Any]
) -> None:
    done = run_python(ROOT / "scripts" / "prune_models.py", models, "--apply", "--older_than", "40")
    assert done.returncode == 0, done.stderr
    assert "2 of 6 checkpoints, 0.25 MB: in the trash" in done.stdout
    assert "named best" in done.stdout
    assert f"Next: chunkport prune-models {models} --restore" in done.stdout
    (models / "models_index.json").write_text("{")
    refused = run_python(ROOT / "scripts" / "prune_models.py", models, "--apply")
    assert refused.returncode == 5
    assert "models_index.json: damaged" in refused.stderr
