import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from checkpoints import load_model_chunked, save_model_chunked
from checkpoints.background import BackgroundSaver, snapshot
from checkpoints.layout import layout_of
from chunkport.errors import UsageError


def test_a_snapshot_is_not_changed_by_training_and_keeps_ties() -> None:
    net = nn.Linear(3, 3)
    values: dict[str, Any] = {
        "a": net.weight,
        "b": net.weight,
        "t": torch.arange(6).view(2, 3).T,
        "n": [1, (2,)],
    }
    copied = snapshot(values)
    with torch.no_grad():
        net.weight.zero_()
    assert copied["a"] is copied["b"]
    assert isinstance(copied["a"], nn.Parameter)
    assert copied["a"].abs().sum() > 0
    assert torch.equal(copied["t"], values["t"])
    assert copied["n"] == [1, (2,)]
    with pytest.raises(UsageError, match="checkpoint: net holds a value of type"):
        snapshot({"net": net})


def test_the_caller_goes_on_while_a_save_runs_and_the_next_save_waits() -> None:
    saver = BackgroundSaver()
    release, order = threading.Event(), list[str]()

    def slow() -> None:
        release.wait(10)
        order.append("first")

    saver.submit(slow)
    order.append("caller")
    threading.Timer(0.2, release.set).start()
    saver.submit(lambda: order.append("second"))
    saver.close()
    assert order == ["caller", "first", "second"]


def fail() -> None:
    raise UsageError("the disk is full")


@pytest.mark.parametrize("call", ["submit", "wait", "close"])
def test_the_next_call_raises_what_the_save_met_and_only_once(call: str) -> None:
    saver = BackgroundSaver()
    saver.submit(fail)
    ran: list[int] = []
    with pytest.raises(UsageError, match="the disk is full"):
        saver.submit(lambda: ran.append(1)) if call == "submit" else getattr(saver, call)()
    saver.close()
    assert ran == []


def test_an_error_that_ends_the_run_is_not_hidden_by_that_of_the_last_save() -> None:
    said: list[str] = []
    saver = BackgroundSaver(said.append)

    def train() -> None:
        with saver:
            saver.submit(fail)
            raise KeyError("the loop")

    with pytest.raises(KeyError, match="the loop"):
        train()
    assert said[-1] == "Warning: the last save failed: the disk is full"


def test_a_folder_that_cannot_serve_shows_at_the_next_call(tmp_path: Path) -> None:
    path = tmp_path / "m.pth"
    save_model_chunked({"old": 1}, path)
    (tmp_path / "file").write_text("in the way")
    saver = BackgroundSaver()
    saver.submit(lambda: void(save_model_chunked({"new": 1}, tmp_path / "file" / "m.pth")))
    with pytest.raises(UsageError, match=r"file: cannot be created"):
        saver.wait()
    assert load_model_chunked(path) == {"old": 1}


def void(_value: object) -> None:
    """Forget it."""


# Saves 1, then starts to save 2 in the background, on a disk that writes nothing until the folder
# holds a file `go` or the save is abandoned.
HELD_SAVE = """
import sys, time
from pathlib import Path
import torch
from checkpoints import save_model_chunked
from checkpoints.background import BackgroundSaver
from checkpoints.checked_file import ABANDONED, CheckedFile

path, ending = Path(sys.argv[1]), sys.argv[2]
quiet = lambda _message: None
save_model_chunked({"mark": 1, "w": torch.zeros(500_000)}, path, 0.25, announce=quiet)
write = CheckedFile.write

def held_write(self, data):
    while not ((path.parent / "go").exists() or ABANDONED.get().is_set()):
        time.sleep(0.02)
    return write(self, data)

CheckedFile.write = held_write
saver = BackgroundSaver(lambda message: print(message, flush=True))
new = {"mark": 2, "w": torch.ones(500_000)}

def save():
    save_model_chunked(new, path, 0.25, announce=quiet)

if ending == "exit":
    saver.submit(save)
else:
    with saver:
        saver.submit(save)
        print("training", flush=True)
        time.sleep(60)
"""


def start(path: Path, ending: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", HELD_SAVE, str(path), ending],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def mark_of(path: Path) -> int:
    """Of a checkpoint that must be whole."""
    loaded = load_model_chunked(path)
    assert set(loaded["w"].tolist()) == {float(loaded["mark"] - 1)}
    assert not layout_of(path).staged_files()
    return int(loaded["mark"])


@pytest.mark.integration
def test_a_program_that_ends_finishes_its_save(tmp_path: Path) -> None:
    with start(tmp_path / "m.pth", "exit") as child:
        (tmp_path / "go").touch()
        assert child.wait() == 0
    assert mark_of(tmp_path / "m.pth") == 2


@pytest.mark.integration
def test_ctrl_c_finishes_the_save_and_a_second_one_abandons_it(tmp_path: Path) -> None:
    for presses, mark in ((1, 2), (2, 1)):
        path = tmp_path / str(presses) / "m.pth"
        with start(path, "sleep") as child:
            assert child.stdout is not None
            assert child.stderr is not None
            assert child.stdout.readline() == "training\n"
            child.send_signal(signal.SIGINT)
            assert child.stdout.readline() == "Finishing the save under way; Ctrl+C abandons it.\n"
            if presses == 2:
                child.send_signal(signal.SIGINT)
            else:
                (path.parent / "go").touch()
            said = child.stderr.read()
            assert child.wait() == -signal.SIGINT, said
        assert said.rstrip().endswith("KeyboardInterrupt")
        # of the abandoned save nothing is left, even before anyone loads
        assert not layout_of(path).staged_files()
        assert mark_of(path) == mark
