import json
from pathlib import Path

import pytest
import torch

from checkpoints import (
    SavedCheckpoint,
    clean_chunks,
    list_files,
    load_model_chunked,
    save_model_chunked,
)
from checkpoints.layout import layout_of
from chunkport.errors import BadInputError

NEIGHBOURS = [
    "best_model.pth.backup",
    "best_model2.pth",
    "best_model2.chunk_000.pth",
    "best_model.chunk_0.pth",
    "best_model.chunk_000.pth.bak",
    "best_modelXchunk_000.pth",
    "best_model.tflite",
    "best_model.json",
    "my_best_model.manifest.json",
    ".best_model2.pth.0123456789abcdef.staged",
    ".best_model.pth.notes",
]


def test_all_of_the_checkpoint_goes_and_nothing_else(chunked: SavedCheckpoint) -> None:
    folder = chunked.path.parent
    own = set(folder.iterdir())
    for name in (".best_model.journal", ".best_model.chunk_001.pth.0123456789abcdef.staged"):
        (folder / name).write_text("half")
        own.add(folder / name)
    (folder / "best_model.chunk_007.pth").write_text("of an older save")
    own.add(folder / "best_model.chunk_007.pth")
    for name in NEIGHBOURS:
        (folder / name).write_text("kept")
    assert set(clean_chunks(chunked.path)) == own
    assert sorted(path.name for path in folder.iterdir()) == sorted(NEIGHBOURS)
    assert clean_chunks(chunked.path) == ()


def test_a_whole_checkpoint_stays(tmp_path: Path) -> None:
    path = tmp_path / "m.pth"
    save_model_chunked({"w": torch.ones(3)}, path)
    (tmp_path / "m.chunk_000.pth").write_text("of an older save")
    assert clean_chunks(path) == (tmp_path / "m.chunk_000.pth",)
    assert load_model_chunked(path)["w"].tolist() == [1, 1, 1]


@pytest.mark.parametrize("name", ["m.pth", "m.safetensors"])
def test_chunks_of_safetensors_go_with_their_index(tmp_path: Path, name: str) -> None:
    save_model_chunked(
        {"w": torch.ones(40_000)},
        tmp_path / name,
        0.0625,
        container="safetensors",
        announce=lambda _message: None,
    )
    (tmp_path / "m2.safetensors.index.json").write_text("kept")
    before = set(tmp_path.iterdir())
    assert set(clean_chunks(tmp_path / name)) == before - {tmp_path / "m2.safetensors.index.json"}
    assert [path.name for path in tmp_path.iterdir()] == ["m2.safetensors.index.json"]


@pytest.mark.parametrize(
    ("name", "other"), [("m.pth", "m.safetensors"), ("m.safetensors", "m.pth")]
)
def test_chunks_go_by_the_name_of_their_own_checkpoint(
    tmp_path: Path, name: str, other: str
) -> None:
    def save() -> None:
        save_model_chunked(
            {"w": torch.ones(40_000)}, tmp_path / name, 0.0625, announce=lambda _message: None
        )

    save()
    before = sorted(tmp_path.iterdir())
    assert clean_chunks(tmp_path / other) == ()
    assert sorted(tmp_path.iterdir()) == before
    for part in ("m.manifest.json", "m.safetensors.index.json"):
        save()
        assert sorted(clean_chunks(tmp_path / part)) == before
        assert list(tmp_path.iterdir()) == []


def test_a_whole_safetensors_stays(tmp_path: Path) -> None:
    path = save_model_chunked({"w": torch.ones(3)}, tmp_path / "m.safetensors").path
    assert clean_chunks(path) == ()
    assert load_model_chunked(path)["w"].tolist() == [1, 1, 1]


def test_the_manifest_names_the_checkpoint_too(chunked: SavedCheckpoint) -> None:
    assert chunked.manifest is not None
    assert len(clean_chunks(chunked.manifest)) == 4
    assert list(chunked.path.parent.iterdir()) == []


def test_patterns_in_the_name_are_not_obeyed(tmp_path: Path) -> None:
    (tmp_path / "model.chunk_000.pth").write_text("kept")
    assert clean_chunks(tmp_path / "m*.pth") == ()
    assert clean_chunks(tmp_path / "mode[l].pth") == ()
    assert (tmp_path / "model.chunk_000.pth").exists()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="no folder"):
        clean_chunks(tmp_path / "nowhere" / "m.pth")


def test_what_an_interrupted_cleaning_left_is_cleaned(chunked: SavedCheckpoint) -> None:
    folder = chunked.path.parent
    files = [*list_files(chunked.path)]
    names = [file.name for file in files]
    layout_of(chunked.path).removal.write_text(json.dumps({"remove": names}))
    files.pop().unlink()
    assert sorted(clean_chunks(chunked.path)) == sorted(files)
    assert list(folder.iterdir()) == []


def test_a_save_that_was_not_moved_into_place_is_cleaned_as_the_save_that_it_is(
    tmp_path: Path, chunked: SavedCheckpoint
) -> None:
    """The committed save holds the whole model, so it stays, and the chunks of the older go."""
    whole = save_model_chunked({"new": 1}, tmp_path / "other" / "best_model.pth")
    layout = layout_of(chunked.path)
    whole.path.rename(layout.staged(chunked.path.name, whole.save_id))
    layout.journal.write_text(f'{{"save_id": "{whole.save_id}", "chunks": 0}}\n')
    assert clean_chunks(chunked.path) == ()
    assert load_model_chunked(chunked.path) == {"new": 1}


def test_a_checkpoint_of_format_1_0_is_cleaned(tmp_path: Path) -> None:
    torch.save({"is_chunked": True, "manifest": "m.manifest.json"}, tmp_path / "m.pth")
    (tmp_path / "m.manifest.json").write_text('{"version": "1.0", "is_chunked": true}')
    torch.save({"w": torch.ones(1)}, tmp_path / "m.chunk_000.pth")
    before = sorted(tmp_path.iterdir())
    assert sorted(clean_chunks(tmp_path / "m.pth")) == before
    assert list(tmp_path.iterdir()) == []
