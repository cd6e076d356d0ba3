import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from checkpoints import (
    SavedCheckpoint,
    clean_chunks,
    list_files,
    load_model_chunked,
    remove_checkpoint,
    save_model_chunked,
)
from checkpoints.layout import layout_of
from chunkport.errors import BadInputError


def ignore(_message: str) -> None:
    """Announce nothing."""


def mark_for_removal(saved: SavedCheckpoint) -> None:
    """As a removal does that is killed before anything is gone."""
    names = [file.name for file in list_files(saved.path)]
    layout_of(saved.path).removal.write_text(json.dumps({"remove": names}))


@pytest.mark.parametrize("cap_mb", [0.0625, 90])
def test_all_files_of_a_checkpoint_go_and_no_other(tmp_path: Path, cap_mb: float) -> None:
    other = save_model_chunked({"other": 1}, tmp_path / "best_model2.pth").path
    saved = save_model_chunked({"w": torch.zeros(40_000)}, tmp_path / "best_model.pth", cap_mb)
    assert (saved.manifest is None) == (cap_mb == 90)
    remove_checkpoint(tmp_path / "best_model.pth")
    assert list(tmp_path.iterdir()) == [other]
    remove_checkpoint(tmp_path / "best_model.pth")
    assert list(tmp_path.iterdir()) == [other]


@pytest.mark.parametrize("chunked", [".pth", ".safetensors"])
@pytest.mark.parametrize("removed", [".pth", ".safetensors"])
def test_only_the_ending_that_was_named_goes(tmp_path: Path, chunked: str, removed: str) -> None:
    """With m.pth and m.safetensors beside each other, one of them in chunks."""
    whole = {".pth": ".safetensors", ".safetensors": ".pth"}[chunked]
    save_model_chunked({"w": torch.ones(40_000)}, tmp_path / f"m{chunked}", 0.0625, announce=ignore)
    parts = set(tmp_path.iterdir())
    (tmp_path / "whole").mkdir()
    saved = save_model_chunked({"w": torch.ones(3)}, tmp_path / "whole" / f"m{whole}").path
    saved.rename(tmp_path / saved.name)
    (tmp_path / "whole").rmdir()
    remove_checkpoint(tmp_path / f"m{removed}")
    assert set(tmp_path.iterdir()) == ({tmp_path / saved.name} if removed == chunked else parts)


def test_the_index_of_another_tool_stays(tmp_path: Path) -> None:
    index = tmp_path / "m.safetensors.index.json"
    index.write_text('{"metadata": {}, "weight_map": {"w": "m-00001-of-00001.safetensors"}}')
    saved = save_model_chunked({"w": torch.ones(40_000)}, tmp_path / "m.pth", 0.0625)
    remove_checkpoint(saved.path)
    assert list(tmp_path.iterdir()) == [index]


def test_a_placeholder_of_safetensors_goes_with_all(tmp_path: Path) -> None:
    for name in ("m.pth", "m.manifest.json", "m.safetensors.index.json"):
        save_model_chunked(
            {"w": torch.ones(3)}, tmp_path / "m.pth", container="safetensors", announce=ignore
        )
        remove_checkpoint(tmp_path / name)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text", ["", "?", "[]", '{"remove": ["../m.pth"]}', '{"remove": ["n.pth"]}']
)
def test_a_mark_that_names_other_files_is_not_obeyed(chunked: SavedCheckpoint, text: str) -> None:
    before = set(chunked.path.parent.iterdir())
    layout = layout_of(chunked.path)
    layout.removal.write_text(text)
    with pytest.raises(BadInputError, match=r"\.best_model\.removal: damaged mark"):
        load_model_chunked(chunked.path)
    assert set(chunked.path.parent.iterdir()) == before | {layout.removal}
    assert set(clean_chunks(chunked.path)) == before
    assert list(chunked.path.parent.iterdir()) == []


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root writes everywhere")
def test_a_removal_is_seen_where_it_cannot_be_finished(chunked: SavedCheckpoint) -> None:
    mark_for_removal(chunked)
    folder = chunked.path.parent
    folder.chmod(0o500)
    try:
        with pytest.raises(BadInputError, match="no such checkpoint"):
            load_model_chunked(chunked.path)
    finally:
        folder.chmod(0o700)


def test_a_removal_that_was_interrupted_is_finished_by_the_next_reader(
    chunked: SavedCheckpoint,
) -> None:
    mark_for_removal(chunked)
    chunked.path.unlink()
    with pytest.raises(BadInputError, match=r"best_model\.pth: no such checkpoint"):
        load_model_chunked(chunked.path)
    assert list(chunked.path.parent.iterdir()) == []


def test_a_new_save_is_not_touched_by_an_old_removal(chunked: SavedCheckpoint) -> None:
    mark_for_removal(chunked)
    save_model_chunked({"new": 1}, chunked.path)
    assert load_model_chunked(chunked.path) == {"new": 1}
    assert list(chunked.path.parent.iterdir()) == [chunked.path]


# Each child dies, as by SIGKILL, just before its n-th change to the folder.
DIE_AT_EVERY_STEP = """
import os, sys
from pathlib import Path
import torch
from checkpoints import (
    clean_chunks, load_model_chunked, remove_checkpoint, save_model_chunked,
)
from chunkport.errors import BadInputError

folder = Path(sys.argv[1])
path = folder / sys.argv[2]
remove = {"clean": clean_chunks, "remove": remove_checkpoint}[sys.argv[3]]

def die_at(step):
    count = 0
    def hook(event, arguments):
        nonlocal count
        opened = event == "open" and str(folder) in str(arguments[0])
        if opened or event in ("os.remove", "os.rename"):
            count += 1
            if count == step:
                os._exit(9)
    sys.addaudithook(hook)

deaths = 0
for step in range(1, 100):
    save_model_chunked({"w": torch.zeros(40_000)}, path, 0.0625, announce=lambda _message: None)
    child = os.fork()
    if child == 0:
        die_at(step)
        remove(path)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        assert load_model_chunked(path)["w"].numel() == 40_000
    except BadInputError as error:
        assert "no such checkpoint" in str(error), error
        assert list(folder.iterdir()) == [], step
    if code == 0:
        break
    deaths += 1
print(deaths)
"""


@pytest.mark.integration
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("name", ["m.pth", "m.safetensors"])
@pytest.mark.parametrize("remove", ["clean", "remove"])
def test_death_at_any_step_leaves_all_or_nothing(tmp_path: Path, name: str, remove: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DIE_AT_EVERY_STEP, str(tmp_path), name, remove],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 5
