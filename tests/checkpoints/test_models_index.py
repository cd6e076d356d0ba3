import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from checkpoints import SavedCheckpoint, list_files, load_model_chunked, save_model_chunked
from checkpoints.layout import layout_of
from checkpoints.model_facts import KIND, ModelFacts
from checkpoints.models_index import metadata_name, read_models, recover_folder, write_index
from checkpoints.retention import Ranking

F1 = Ranking("f1")


def ignore(_message: str) -> None:
    """Announce nothing."""


def save(path: Path, kind: str, facts: ModelFacts, cap_mb: float = 90) -> SavedCheckpoint:
    values = {"w": torch.zeros(40_000), **facts.as_values(), KIND: kind}
    return save_model_chunked(values, path, cap_mb, announce=ignore)


FACTS = ModelFacts(
    epoch=3,
    step=30,
    metrics={"f1": 0.5, "loss": float("nan")},
    config={"lr": 0.1},
    config_hash="abc",
    details={"noise_dim": 100},
    versions={"torch": "2"},
)


def index(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        (folder / "models_index.json").read_text(), parse_constant=pytest.fail
    )
    return found


@pytest.mark.parametrize(
    ("file", "metadata"),
    [
        ("best_model.pth", "best_metadata.json"),
        ("final_gan.pth", "final_metadata.json"),
        ("checkpoint_epoch_050.pth", "checkpoint_epoch_050_metadata.json"),
        ("_model.pth", "_model_metadata.json"),
    ],
)
def test_metadata_is_called_after_its_model(file: str, metadata: str) -> None:
    assert metadata_name(file) == metadata


def test_the_index_and_the_metadata_tell_what_is_on_disk(tmp_path: Path) -> None:
    saved = save(tmp_path / "best_model.pth", "best", FACTS, 0.125)
    save(tmp_path / "checkpoint_epoch_003.pth", "epoch", FACTS)
    write_index(tmp_path, F1, ignore)

    document = index(tmp_path)
    assert (document["schema_version"], document["metric"], document["mode"]) == (1, "f1", "max")
    assert document["best"] == "best_model.pth"
    best, epoch = document["models"]
    assert best["files"] == [
        "best_model.pth",
        "best_model.manifest.json",
        *(chunk.name for chunk in saved.chunk_files),
    ]
    assert best["size_bytes"] == saved.total_bytes
    assert (epoch["file"], epoch["kind"], epoch["epoch"]) == (
        "checkpoint_epoch_003.pth",
        "epoch",
        3,
    )
    assert best["metrics"] == {"f1": 0.5, "loss": None}
    metadata = json.loads((tmp_path / best["metadata"]).read_text(), parse_constant=pytest.fail)
    assert metadata["noise_dim"] == 100
    assert metadata["config"] == {"lr": 0.1}
    assert metadata["epoch"] == 3


def test_an_index_that_lies_is_put_right_and_entries_go_with_their_files(tmp_path: Path) -> None:
    save(tmp_path / "best_model.pth", "best", FACTS)
    gone = save(tmp_path / "checkpoint_epoch_003.pth", "epoch", FACTS).path
    write_index(tmp_path, F1, ignore)
    names = ("models_index.json", "best_metadata.json")
    before = [(tmp_path / name).read_text() for name in names]
    for name in names:
        (tmp_path / name).write_text('{"models": [{"file": "../../etc/passwd"}]')
    write_index(tmp_path, F1, ignore)
    assert [(tmp_path / name).read_text() for name in names] == before
    gone.unlink()
    write_index(tmp_path, F1, ignore)
    assert [model["file"] for model in index(tmp_path)["models"]] == ["best_model.pth"]


def test_nothing_is_written_where_nothing_changed(tmp_path: Path) -> None:
    save(tmp_path / "best_model.pth", "best", FACTS)
    write_index(tmp_path, F1, ignore)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    write_index(tmp_path, F1, ignore)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_copies_and_strangers_are_other_and_get_no_metadata(tmp_path: Path) -> None:
    """A copy under another name is its maker's, and no policy prunes what is `other`."""
    save(tmp_path / "checkpoint_step_30.pth", "step", FACTS)
    save(tmp_path / "my_favourite.pth", "step", FACTS)
    save(tmp_path / "checkpoint_step_31.pth", "step", FACTS)
    torch.save({"weights": torch.zeros(2), "epoch": "three"}, tmp_path / "foreign.pth")
    kinds = {record.file: record.kind for record in write_index(tmp_path, None, ignore)}
    assert kinds == {
        "checkpoint_step_30.pth": "step",
        "checkpoint_step_31.pth": "other",
        "foreign.pth": "other",
        "my_favourite.pth": "other",
    }
    assert [path.name for path in tmp_path.glob("*_metadata.json")] == [
        "checkpoint_step_30_metadata.json"
    ]


def test_what_cannot_be_opened_is_told_and_left_alone(tmp_path: Path) -> None:
    save(tmp_path / "best_model.pth", "best", FACTS)
    (tmp_path / "broken.pth").write_bytes(b"half")
    said: list[str] = []
    assert [record.file for record in read_models(tmp_path, said.append)] == ["best_model.pth"]
    assert len(said) == 1
    assert "broken.pth" in said[0]
    assert (tmp_path / "broken.pth").exists()


def test_the_best_by_the_metric_is_named(tmp_path: Path) -> None:
    save(tmp_path / "checkpoint_best_f1.pth", "best", FACTS)
    save(tmp_path / "checkpoint_best_loss.pth", "best", replace(FACTS, metrics={"f1": 0.9}))
    write_index(tmp_path, F1, ignore)
    assert index(tmp_path)["best"] == "checkpoint_best_loss.pth"


def test_whatever_was_interrupted_in_the_folder_is_mended(tmp_path: Path) -> None:
    committed = save(tmp_path / "checkpoint_epoch_003.pth", "epoch", FACTS, 0.125)
    layout = layout_of(committed.path)
    committed.path.rename(layout.staged(committed.path.name, committed.save_id))
    chunks = len(committed.chunk_files)
    layout.journal.write_text(f'{{"save_id": "{committed.save_id}", "chunks": {chunks}}}\n')
    removed = save(tmp_path / "checkpoint_step_30.pth", "step", FACTS, 0.125)
    names = [file.name for file in list_files(removed.path)]
    layout_of(removed.path).removal.write_text(json.dumps({"remove": names}))
    removed.path.unlink()
    (tmp_path / ".never.pth.0123456789abcdef.staged").write_text("half")
    (tmp_path / ".bad.journal").write_text("?")
    said: list[str] = []
    recover_folder(tmp_path, said.append)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [
            ".bad.journal",
            "checkpoint_epoch_003.manifest.json",
            "checkpoint_epoch_003.pth",
            *(chunk.name for chunk in committed.chunk_files),
        ]
    )
    assert load_model_chunked(committed.path)["epoch"] == 3
    assert len(said) == 1
    assert ".bad.journal: damaged journal" in said[0]


def test_safetensors_are_listed_too(tmp_path: Path) -> None:
    """Whole ones, and those in chunks, of which no file bears the checkpoint's name."""
    save(tmp_path / "best_model.safetensors", "best", FACTS)
    save(tmp_path / "latest_model.safetensors", "latest", FACTS, 0.125)
    save(tmp_path / "best_model.pth", "best", FACTS)
    os.utime(tmp_path / "best_model.safetensors", (1, 1))
    write_index(tmp_path, None, ignore)
    models = {model["file"]: model for model in index(tmp_path)["models"]}
    assert {name: (model["kind"], model["metadata"]) for name, model in models.items()} == {
        "best_model.pth": ("best", "best_metadata.json"),
        "best_model.safetensors": ("best", None),
        "latest_model.safetensors": ("latest", "latest_metadata.json"),
    }
    assert models["latest_model.safetensors"]["files"] == [
        "latest_model.manifest.json",
        "latest_model.safetensors.index.json",
        "latest_model.chunk_000.safetensors",
        "latest_model.chunk_001.safetensors",
    ]
    metadata = json.loads((tmp_path / "best_metadata.json").read_text())
    assert metadata["file"] == "best_model.pth"


def test_an_interrupted_save_of_safetensors_is_mended(tmp_path: Path) -> None:
    names = ("m.safetensors", "m.chunk_000.safetensors", "m.safetensors.index.json")
    for name in names:
        (tmp_path / f".{name}.0123456789abcdef.staged").write_text("half")
    recover_folder(tmp_path, ignore)
    assert list(tmp_path.iterdir()) == []
