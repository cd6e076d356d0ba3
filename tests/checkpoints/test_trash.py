import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from checkpoints import SavedCheckpoint, load_model_chunked, save_model_chunked
from checkpoints.catalog import list_files
from checkpoints.trash import TRASH, discard, empty, in_trash, restore
from chunkport.errors import BadInputError, UsageError

KINDS = [("m.pth", "pth"), ("m.pth", "safetensors"), ("m.safetensors", "safetensors")]


def save(path: Path, mark: float, container: Any = None) -> Path:
    """Three chunks, all of whose numbers are `mark`."""
    model = {"w": torch.full((40_000,), mark)}
    saved = save_model_chunked(model, path, 0.0625, container=container, announce=print)
    assert len(saved.chunk_files) == 3
    return saved.path


def mark_of(path: Path) -> float | None:
    """What all numbers of the checkpoint are; None if there is none."""
    try:
        loaded = load_model_chunked(path)
    except BadInputError as error:
        assert "no such checkpoint" in str(error)  # noqa: PT017 - any other error is a half set
        return None
    (mark,) = set(loaded["w"].tolist())
    return float(mark)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize(("name", "container"), KINDS)
def test_there_and_back(tmp_path: Path, name: str, container: str) -> None:
    path = save(tmp_path / name, 1.0, container)
    (tmp_path / "other.pth").write_text("kept")
    before = names(tmp_path)
    entry = discard(path, list_files(path), "monday")
    assert names(tmp_path) == {TRASH, "other.pth"}
    assert names(tmp_path / TRASH / "monday" / name) == before - {"other.pth"} | {"entry.json"}
    assert in_trash(tmp_path) == (entry,)
    restore([entry])
    assert names(tmp_path) == before
    assert mark_of(path) == 1.0


def test_emptied_it_is_gone(tmp_path: Path) -> None:
    path = save(tmp_path / "m.pth", 1.0)
    discard(path, list_files(path), "monday")
    empty(in_trash(tmp_path))
    assert names(tmp_path) == set()


@pytest.mark.integration
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(("name", "container"), KINDS)
def test_killed_at_any_step_it_loads_whole_or_not_and_the_next_call_finishes(
    tmp_path: Path, die_at_every_step: Callable[..., int], name: str, container: str
) -> None:
    folder = tmp_path / "models"
    path = folder / name
    seen: set[float | None] = set()

    def prepare() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        save(path, 1.0, container)

    def check(_step: int) -> None:
        before = mark_of(path)
        seen.add(before)
        entries = in_trash(folder)
        if entries:
            assert mark_of(path) is None
            assert names(folder) == {TRASH}
            assert entries[0].lacks == ()
            restore(entries[:1])
        assert mark_of(path) == 1.0
        assert not {file for file in names(folder) if file.startswith(".")} - {TRASH}

    def act() -> None:
        discard(path, list_files(path), "monday")

    assert die_at_every_step(folder, prepare, act, check) > 6
    assert seen == {1.0, None}


@pytest.mark.integration
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_restoration_that_is_killed_is_finished_too(
    tmp_path: Path, die_at_every_step: Callable[..., int]
) -> None:
    folder = tmp_path / "models"
    path = folder / "m.pth"

    def prepare() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        save(path, 1.0)
        discard(path, list_files(path), "monday")

    def check(_step: int) -> None:
        assert mark_of(path) in (1.0, None)
        for entry in in_trash(folder):
            assert mark_of(path) is None
            restore([entry])
        assert mark_of(path) == 1.0
        assert len(names(folder)) == 5

    assert die_at_every_step(folder, prepare, lambda: restore(in_trash(folder)[:1]), check) > 6


def test_what_was_saved_anew_meanwhile_is_not_taken(tmp_path: Path) -> None:
    path = save(tmp_path / "m.pth", 1.0)
    discard(path, list_files(path), "monday")
    place = tmp_path / TRASH / "monday" / "m.pth"
    (place / "m.chunk_002.pth").unlink()  # as if killed before it was moved
    save(path, 2.0)
    (entry,) = in_trash(tmp_path)
    assert mark_of(path) == 2.0
    assert entry.lacks == ("m.chunk_002.pth",)
    with pytest.raises(BadInputError, match=r"lacks m\.chunk_002\.pth, so it cannot be restored"):
        restore([entry])
    empty([entry])
    assert mark_of(path) == 2.0


def test_nothing_is_overwritten_by_a_restoration(tmp_path: Path) -> None:
    path = save(tmp_path / "m.pth", 1.0)
    entry = discard(path, list_files(path), "monday")
    save(path, 2.0)
    with pytest.raises(UsageError, match=r"m\.pth.* is there again"):
        restore([entry])
    assert mark_of(path) == 2.0


def test_one_that_cannot_come_back_keeps_the_others_in_the_trash(tmp_path: Path) -> None:
    paths = [save(tmp_path / name, 1.0) for name in ("a.pth", "b.pth")]
    for path in paths:
        discard(path, list_files(path), "monday")
    save(paths[1], 2.0)
    before = in_trash(tmp_path)
    message = r"b\.pth, with 4 more files, is there again; move that elsewhere to restore b\.pth"
    with pytest.raises(UsageError, match=message):
        restore(before)
    assert in_trash(tmp_path) == before
    assert [mark_of(path) for path in paths] == [None, 2.0]


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document.pop("files"),
        lambda document: document.update(to="/dev/null"),
        lambda document: document["files"][0].update(name="../m.pth"),
        lambda document: document["files"][0].update(size_bytes="many"),
    ],
)
def test_a_damaged_entry_moves_nothing(
    tmp_path: Path, chunked: SavedCheckpoint, change: Callable[[dict[str, Any]], object]
) -> None:
    place = discard(chunked.path, list_files(chunked.path), "monday").place
    document = json.loads((place / "entry.json").read_text())
    change(document)
    (place / "entry.json").write_text(json.dumps(document))
    before = names(place)
    with pytest.raises(BadInputError, match=r"entry.json: damaged"):
        in_trash(tmp_path)
    assert names(place) == before


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="no such folder"):
        in_trash(tmp_path / "nowhere")
