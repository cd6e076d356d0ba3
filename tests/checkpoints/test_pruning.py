import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from checkpoints.pruning import Rules, decide
from chunkport.errors import BadInputError, UsageError

NOW = 2_000_000_000.0
DAY = 86_400
OLD = Rules(older_than_days=30, keep_last=0, keep_best=0)


@pytest.fixture
def make(tmp_path: Path) -> Callable[[str, float], Path]:
    """`(name, days)` to a checkpoint that was written so many days ago."""

    def write(name: str, days: float) -> Path:
        path = tmp_path / name
        torch.save({"w": torch.ones(3)}, path)
        os.utime(path, (NOW - days * DAY,) * 2)
        return path

    return write


def judged(folder: Path, rules: Rules = OLD) -> dict[str, str]:
    return {one.path.name: one.kept_because for one in decide(folder, rules, NOW)}


def write_index(folder: Path, **document: Any) -> None:
    (folder / "models_index.json").write_text(json.dumps(document))


def test_the_old_may_go_and_the_newest_stay(tmp_path: Path, make: Any) -> None:
    for days in (1, 29, 31, 90, 365):
        make(f"checkpoint_{days}.pth", days)
    assert judged(tmp_path) == {
        "checkpoint_1.pth": "not older than 30 days",
        "checkpoint_29.pth": "not older than 30 days",
        "checkpoint_31.pth": "",
        "checkpoint_90.pth": "",
        "checkpoint_365.pth": "",
    }
    kept = judged(tmp_path, Rules(30, keep_last=4, keep_best=0, pins=("*_36?.pth",)))
    assert kept["checkpoint_90.pth"] == "among the newest 4"
    assert kept["checkpoint_365.pth"] == "pinned by *_36?.pth"


def test_marks_in_the_index_and_in_names_are_heeded(tmp_path: Path, make: Any) -> None:
    for name in ("a", "b", "c", "d", "e", "best_model", "final_gan", "bestiary"):
        make(f"{name}.pth", 90)
    write_index(
        tmp_path,
        metric="f1",
        mode="max",
        best="d.pth",
        models=[
            {"file": "a.pth", "kind": "epoch", "pinned": True},
            {"path": "b.pth", "kind": "latest", "metrics": {"f1": 0.9}},
            {"file": "c.pth", "kind": "step", "metrics": {"f1": 0.8}},
            {"file": "d.pth", "kind": "epoch", "metrics": {"f1": 0.1}},
            {"file": "e.pth", "kind": "step", "metrics": {"f1": None}},
        ],
    )
    assert judged(tmp_path, Rules(30, 0, keep_best=2)) == {
        "a.pth": "pinned in models_index.json",
        "b.pth": "marked latest in models_index.json",
        "c.pth": "among the best 2 in models_index.json",
        "d.pth": "marked best in models_index.json",
        "e.pth": "",
        "best_model.pth": "named best",
        "final_gan.pth": "named final",
        "bestiary.pth": "",
    }


def test_the_best_may_be_the_least(tmp_path: Path, make: Any) -> None:
    entries = [
        {"file": make(f"{loss}.pth", 90).name, "metrics": {"loss": loss}} for loss in (3, 1, 2)
    ]
    write_index(tmp_path, metric="loss", mode="min", models=entries)
    kept = judged(tmp_path, Rules(30, 0, keep_best=1))
    assert [name for name, reason in kept.items() if reason] == ["1.pth"]


def test_what_a_link_stands_for_stays(tmp_path: Path, make: Any) -> None:
    make("old.pth", 90)
    (tmp_path / "current.pth").symlink_to("old.pth")
    assert judged(tmp_path) == {"old.pth": "the link current.pth stands for it"}


def test_what_does_not_load_stays(tmp_path: Path, chunked: Any) -> None:
    chunked.chunk_files[1].unlink()
    assert "1 of 2 chunks missing" in judged(tmp_path)["best_model.pth"]


def test_metadata_go_with_their_checkpoint(tmp_path: Path, make: Any) -> None:
    make("old.pth", 90)
    (tmp_path / "old_metadata.json").write_text("{}")
    os.utime(tmp_path / "old_metadata.json", (NOW - 80 * DAY,) * 2)
    write_index(tmp_path, models=[{"file": "old.pth", "metadata": "old_metadata.json"}])
    (one,) = decide(tmp_path, OLD, NOW)
    assert [file.name for file in one.files] == ["old.pth", "old_metadata.json"]
    assert one.age_days == 80


def test_folders_below_are_left_alone(tmp_path: Path, make: Any) -> None:
    (tmp_path / "run").mkdir()
    make("run/old.pth", 90)
    assert judged(tmp_path) == {}


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        '{"models": [{}]}',
        '{"models": [{"file": "../x.pth"}]}',
        '{"models": [{"file": 3}]}',
        '{"models": [{"file": "x.pth", "metrics": {"f1": "good"}}], "metric": "f1"}',
        '{"models": 3}',
        "[" * 100_000,
        "\udcff",
    ],
)
def test_a_damaged_index_is_refused(tmp_path: Path, make: Any, text: str) -> None:
    make("old.pth", 90)
    (tmp_path / "models_index.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(BadInputError, match=r"models_index.json: damaged \(.*mend it, or remove"):
        decide(tmp_path, OLD, NOW)


def test_what_cannot_be_opened_stays_with_the_reason(tmp_path: Path, make: Any) -> None:
    make("old.pth", 90)
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pth")
    for name, content in (("empty.pth", b""), ("page.pth", b"<html>"), ("bad.safetensors", b"{}")):
        (tmp_path / name).write_bytes(content)
    for path in tmp_path.iterdir():
        os.utime(path, (NOW - 90 * DAY,) * 2)
    found = judged(tmp_path)
    assert found.pop("old.pth") == ""
    assert all(reason.startswith(f"{tmp_path / name}: ") for name, reason in found.items())
    assert "asks for torch.nn" in found["module.pth"]


def test_an_age_that_is_no_number_is_refused() -> None:
    for age in (float("nan"), -1.0):
        with pytest.raises(UsageError, match=r"older_than_days: is .*; give at least 0"):
            Rules(older_than_days=age)
