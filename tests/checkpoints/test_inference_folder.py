import json
from pathlib import Path
from typing import Any

import pytest
import torch

from checkpoints import (
    InferenceModel,
    load_model_chunked,
    read_inference_folder,
    save_inference_folder,
)
from chunkport.errors import BadInputError, UsageError


def quiet(_message: str) -> None:
    """Announce nothing."""


def model(**changes: Any) -> InferenceModel:
    values: dict[str, Any] = {
        "title": "a small network",
        "architecture": "BiLSTM_Attention",
        "weights": {"model_state_dict": {"w": torch.arange(40_000.0)}},
        "config": {"hidden": 128},
        "epoch": 5,
        "load_code": 'print("loaded")',
        "convert_commands": "chunkport convert full_model.pth --model m",
        "metrics": {"acc": 0.87, "loss": float("nan")},
        "hyperparameters": {"lr": 0.001},
    }
    return InferenceModel(**{**values, **changes})


def test_the_folder_holds_weights_config_metadata_and_a_readme(tmp_path: Path) -> None:
    folder = save_inference_folder(tmp_path, model(), announce=quiet)
    assert folder == tmp_path / "model_v1.0_epoch5"
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "config.json",
        "full_model.pth",
        "training_metadata.json",
    ]
    assert json.loads((folder / "config.json").read_text()) == {
        "architecture": "BiLSTM_Attention",
        "hidden": 128,
    }
    metadata = json.loads(
        (folder / "training_metadata.json").read_text(), parse_constant=pytest.fail
    )
    assert metadata["model_name"] == "model_v1.0_epoch5"
    assert metadata["metrics"] == {"acc": 0.87, "loss": None}
    assert metadata["hyperparameters"] == {"lr": 0.001}
    assert metadata["size_bytes"] == (folder / "full_model.pth").stat().st_size
    text = (folder / "README.md").read_text()
    assert "# a small network" in text
    assert "chunkport convert full_model.pth --model m" in text
    assert "| acc | 0.87 |" in text
    loaded = torch.load(folder / "full_model.pth", weights_only=True)
    assert torch.equal(loaded["model_state_dict"]["w"], torch.arange(40_000.0))


def test_weights_above_the_cap_are_in_chunks(tmp_path: Path) -> None:
    folder = save_inference_folder(tmp_path, model(), max_chunk_mb=0.0625, announce=quiet)
    assert len(list(folder.glob("full_model.chunk_*.pth"))) == 3
    found = read_inference_folder(folder)
    assert load_model_chunked(found.weights)["model_state_dict"]["w"][-1] == 39_999


def test_versions_go_on_and_taken_names_get_a_number(tmp_path: Path) -> None:
    first = save_inference_folder(tmp_path, model(), announce=quiet)
    (tmp_path / "model_v7.0_final").mkdir()  # a name says nothing of what is inside
    folders = [
        first.name,
        save_inference_folder(tmp_path, model(), tag="final", announce=quiet).name,
        save_inference_folder(tmp_path, model(), version="1.0", announce=quiet).name,
        save_inference_folder(tmp_path, model(), version="v2.0.1", announce=quiet).name,
        save_inference_folder(tmp_path, model(), name="Net_acc87_20250102", announce=quiet).name,
        save_inference_folder(tmp_path, model(), name="Net_acc87_20250102", announce=quiet).name,
    ]
    assert folders == [
        "model_v1.0_epoch5",
        "model_v1.1_final",
        "model_v1.0_epoch5_2",
        "model_v2.0.1_epoch5",
        "Net_acc87_20250102",
        "Net_acc87_20250102_2",
    ]
    again = read_inference_folder(tmp_path / "Net_acc87_20250102_2")
    assert again.version == "v2.2"


def test_what_a_folder_is_comes_from_its_metadata_not_its_name(tmp_path: Path) -> None:
    folder = save_inference_folder(tmp_path, model(), announce=quiet)
    moved = folder.rename(tmp_path / "renamed_v9.9_epoch77")
    found = read_inference_folder(moved)
    assert (found.version, found.epoch, found.architecture) == ("v1.0", 5, "BiLSTM_Attention")
    assert found.metrics == {"acc": 0.87, "loss": None}
    assert found.weights == moved / "full_model.pth"


@pytest.mark.parametrize("text", ["", "[]", '{"version": "x", "architecture": "a"}', "{}"])
def test_damaged_metadata_is_refused_and_stops_no_save(tmp_path: Path, text: str) -> None:
    folder = save_inference_folder(tmp_path, model(), announce=quiet)
    (folder / "training_metadata.json").write_text(text)
    with pytest.raises(BadInputError, match=r"training_metadata\.json: is not the metadata of an"):
        read_inference_folder(folder)
    said: list[str] = []
    other = save_inference_folder(tmp_path, model(), announce=said.append)
    assert other.name == "model_v1.0_epoch5_2"
    assert any("training_metadata.json" in line for line in said)


def test_a_save_that_fails_or_was_killed_leaves_no_folder(tmp_path: Path) -> None:
    (tmp_path / ".model_v1.0_epoch5.0123abcd.staged").mkdir()
    with pytest.raises(UsageError, match="weights/net holds a value of type"):
        save_inference_folder(tmp_path, model(weights={"weights": {"net": len}}), announce=quiet)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"version": "first"}, "version: 'first' is not one"),
        ({"name": "../out"}, "name: '../out' is not the name of a folder"),
    ],
)
def test_impossible_names_are_refused(
    tmp_path: Path, options: dict[str, str], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        save_inference_folder(tmp_path, model(), **options)  # type: ignore[arg-type]  # names only
    assert list(tmp_path.iterdir()) == []
