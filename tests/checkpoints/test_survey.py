import os
from pathlib import Path

import pytest
import torch
from huggingface_hub import save_torch_state_dict
from safetensors.torch import save_file

from checkpoints import (
    CheckpointManager,
    InferenceModel,
    SavedCheckpoint,
    save_inference_folder,
    save_model_chunked,
)
from checkpoints.checking import check
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


@pytest.mark.parametrize("name", ["m.pth", "m.safetensors"])
def test_safetensors_in_chunks_are_one_checkpoint(tmp_path: Path, name: str) -> None:
    saved = save_model_chunked(
        {"w": torch.ones(40_000)}, tmp_path / name, 0.0625, container="safetensors"
    )
    whole = {"m.pth": "m.safetensors", "m.safetensors": "m.pth"}[name]
    for beside in ([], [whole]):
        for other in beside:
            (tmp_path / other).write_bytes(b"of its own")
        assert names(tmp_path) == sorted([name, *beside])
        for file in (saved.manifest, tmp_path / "m.safetensors.index.json", *saved.chunk_files):
            assert file is not None
            assert find_checkpoints(file) == (saved.path,)
    (tmp_path / whole).unlink()
    saved.path.unlink(missing_ok=True)  # a lost placeholder
    assert names(tmp_path) == [name]


def test_shards_of_another_tool_are_one_checkpoint(tmp_path: Path) -> None:
    state = {f"layer{number}": torch.ones(99) for number in range(4)}
    save_torch_state_dict(state, tmp_path, max_shard_size=800)
    save_model_chunked({"w": torch.ones(40_000)}, tmp_path / "model.pth", 0.0625)
    save_file({"w": torch.ones(1)}, tmp_path / "single.safetensors")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 1
    assert names(tmp_path) == ["model.pth", "model.safetensors", "single.safetensors"]
    for name in ("model.safetensors.index.json", "model.safetensors"):
        assert find_checkpoints(tmp_path / name) == (tmp_path / "model.safetensors",)
    assert all(check(path, deep=True).sound for path in find_checkpoints(tmp_path))


def test_files_that_are_no_checkpoints_are_passed_over(tmp_path: Path) -> None:
    """Of a run: its metadata, its index, its folder for use, and what an interruption left."""
    with CheckpointManager(tmp_path, metric="f1", use_safetensors=True) as manager:
        manager.save_epoch({"model": torch.nn.Linear(9, 9)}, epoch=1, metrics={"f1": 0.5})
    released = InferenceModel("A net", "net", {"w": torch.ones(3)}, {}, 0, "", "")
    save_inference_folder(tmp_path / "inference", released)
    trash = tmp_path / ".chunkport-trash"
    trash.mkdir()
    (trash / "old.pth").write_text("of an older save")
    (tmp_path / ".checkpoint_step_5.removal").write_text('{"remove": []}')
    found = find_checkpoints(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in found] == [
        "checkpoint_best_f1.safetensors",
        "checkpoint_epoch_1.safetensors",
        "checkpoint_latest.safetensors",
        "inference/model_v1.0_epoch0/full_model.pth",
    ]
    assert [check(path, deep=True).findings for path in found] == [()] * 4


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
