import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from checkpoints import SavedCheckpoint, load_model_chunked, remove_checkpoint, save_model_chunked
from checkpoints.layout import layout_of
from chunkport.errors import BadInputError


@pytest.mark.parametrize("cap_mb", [0.0625, 90])
def test_all_files_of_a_checkpoint_go_and_no_other(tmp_path: Path, cap_mb: float) -> None:
    other = save_model_chunked({"other": 1}, tmp_path / "best_model2.pth").path
    saved = save_model_chunked({"w": torch.zeros(40_000)}, tmp_path / "best_model.pth", cap_mb)
    assert (saved.manifest is None) == (cap_mb == 90)
    remove_checkpoint(tmp_path / "best_model.pth")
    assert list(tmp_path.iterdir()) == [other]
    remove_checkpoint(tmp_path / "best_model.pth")
    assert list(tmp_path.iterdir()) == [other]


def test_a_removal_that_was_interrupted_is_finished_by_the_next_reader(
    chunked: SavedCheckpoint,
) -> None:
    layout = layout_of(chunked.path)
    layout.removal.touch()
    chunked.path.unlink()
    with pytest.raises(BadInputError, match=r"best_model\.pth: no such checkpoint"):
        load_model_chunked(chunked.path)
    assert list(chunked.path.parent.iterdir()) == []


def test_a_new_save_is_not_touched_by_an_old_removal(chunked: SavedCheckpoint) -> None:
    layout_of(chunked.path).removal.touch()
    save_model_chunked({"new": 1}, chunked.path)
    assert load_model_chunked(chunked.path) == {"new": 1}
    assert list(chunked.path.parent.iterdir()) == [chunked.path]


# Each child dies, as by SIGKILL, just before its n-th change to the folder.
DIE_AT_EVERY_STEP = """
import os, sys
from pathlib import Path
import torch
from checkpoints import load_model_chunked, remove_checkpoint, save_model_chunked
from chunkport.errors import BadInputError

folder = Path(sys.argv[1])
path = folder / "m.pth"

def die_at(step):
    count = 0
    def hook(event, arguments):
        nonlocal count
        if event == "os.remove" or (event == "open" and str(folder) in str(arguments[0])):
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
        remove_checkpoint(path)
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
def test_death_at_any_step_leaves_all_or_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DIE_AT_EVERY_STEP, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 5
