import os
from pathlib import Path

import pytest
import torch

from checkpoints import SavedCheckpoint, save_model_chunked
from checkpoints.survey import find_checkpoints
from chunkport.errors import BadInputError


def names(place: Path) -> list[str]:
    found = find_checkpoints(place)
    return [path.relative_to(place).as_posix() for path in found]


def test_each_checkpoint_of_a_folder_is_found_once(chunked: SavedCheckpoint) -> None:
    folder = chunked.path.parent
    below = folder / "runs" / "a"
    below.mkdir(parents=True)
    save_model_chunked({"w": torch.ones(1)}, below / "plain.pth")
    for name in ("x.safetensors", "y.pt", "notes.txt", "app.manifest.json", ".hidden.pth"):
        (folder / name).write_text("{}")
    hidden = folder / ".git"
    hidden.mkdir()
    (hidden / "z.pth").write_text("")
    assert names(folder) == ["best_model.pth", "runs/a/plain.pth", "x.safetensors", "y.pt"]


@pytest.mark.parametrize("left", ["manifest", "chunk", "staged"])
def test_one_file_of_it_is_enough(tmp_path: Path, chunked: SavedCheckpoint, left: str) -> None:
    assert chunked.manifest is not None
    kept = chunked.manifest if left == "manifest" else chunked.chunk_files[1]
    for file in tmp_path.iterdir():
        if file != kept:
            file.unlink()
    if left == "staged":
        kept.rename(tmp_path / f".{kept.name}.0123456789abcdef.staged")
    assert names(tmp_path) == ["best_model.pth"]


def test_a_file_stands_for_its_checkpoint(chunked: SavedCheckpoint) -> None:
    assert chunked.manifest is not None
    for file in (chunked.path, chunked.manifest, chunked.chunk_files[1]):
        assert find_checkpoints(file) == (chunked.path,)
    chunked.path.unlink()
    assert find_checkpoints(chunked.path) == (chunked.path,)


def test_any_file_may_be_given(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_text("")
    assert find_checkpoints(tmp_path / "weights.bin") == (tmp_path / "weights.bin",)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    with pytest.raises(BadInputError, match="modells: no such checkpoint; did you mean models"):
        find_checkpoints(tmp_path / "modells")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    with pytest.raises(BadInputError, match="closed: cannot be read"):
        find_checkpoints(tmp_path)
