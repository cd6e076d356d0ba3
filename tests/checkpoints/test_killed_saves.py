"""A save that is killed, at each of its steps or at any instant, leaves the old or the new."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def run_script(script: str, *arguments: object) -> str:
    """What it prints on its way to a good end."""
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# Sizes of the checkpoint before and after a save.
SIZES = {
    "whole to chunks": (100, 40_000),
    "chunks to whole": (40_000, 100),
    "fewer chunks": (40_000, 20_000),
    "more chunks": (20_000, 40_000),
    "whole to whole": (100, 200),
}

# Each child dies, as by SIGKILL, just before its n-th change to the folder; after each death the
# checkpoint must load whole as it was before the save or as after it, and leave no litter.
DIE_AT_EVERY_STEP = """
import os, sys
from pathlib import Path
import torch
from checkpoints import load_model_chunked, save_model_chunked

torch.set_num_threads(1)  # a child has only the thread that forks
folder, path, container = Path(sys.argv[1]), Path(sys.argv[1]) / sys.argv[2], sys.argv[3]

def save(mark, size):
    model = {"a": {"w": torch.full((size,), mark)}, "b": {"w": torch.full((size,), mark)}}
    save_model_chunked(model, path, 0.0625, container=container, announce=lambda message: None)

def die_at(step):
    count = 0
    def hook(event, arguments):
        nonlocal count
        changes = event in ("os.rename", "os.remove") or (
            event == "open" and str(folder) in str(arguments[0])
        )
        if changes:
            count += 1
            if count == step:
                os._exit(9)
    sys.addaudithook(hook)

for before, after in zip(*[map(int, sys.argv[4:])] * 2):
    seen = []
    for step in range(1, 200):
        save(1.0, before)
        child = os.fork()
        if child == 0:
            die_at(step)
            save(2.0, after)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        loaded = load_model_chunked(path)
        marks = {v for d in loaded.values() for v in d["w"].tolist()}
        sizes = {len(d["w"]) for d in loaded.values()}
        assert (marks, sizes) in (({1.0}, {before}), ({2.0}, {after})), (before, step, marks, sizes)
        litter = [p.name for p in folder.iterdir() if p.name.startswith(".")]
        assert not litter, (before, step, litter)
        names = {p.name for p in folder.iterdir()}
        chunks = {name for name in names if ".chunk_" in name}
        if loaded["a"]["w"][0] == 2.0:
            rest = {"m.manifest.json"} if chunks else set()
            rest |= {"m.safetensors.index.json"} if chunks and container != "pth" else set()
            whole_or_placeholder = {path.name} if not chunks or path.suffix == ".pth" else set()
            assert names == chunks | rest | whole_or_placeholder, (before, step, names)
        if os.waitstatus_to_exitcode(status) == 0:
            break
        assert os.waitstatus_to_exitcode(status) == 9, status
        seen.append(loaded["a"]["w"][0].item())
    print(len(seen), int(seen.count(1.0)), int(seen.count(2.0)))
"""


@pytest.mark.integration
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(
    ("name", "container"),
    [("m.pth", "pth"), ("m.pth", "safetensors"), ("m.safetensors", "safetensors")],
)
def test_death_at_any_step_leaves_the_old_or_the_new(
    tmp_path: Path, name: str, container: str
) -> None:
    sizes = [size for pair in SIZES.values() for size in pair]
    printed = run_script(DIE_AT_EVERY_STEP, tmp_path, name, container, *sizes)
    counts = [tuple(map(int, line.split())) for line in printed.splitlines()]
    for change, (deaths, old, new) in zip(SIZES, counts, strict=True):
        assert deaths == old + new >= 6, change
        assert old >= 3, change
        assert new >= 2, change


# A child saves for ever and says so after each save, until it is killed.
KILL_AT_RANDOM = """
import os, random, signal, sys, time
from pathlib import Path
import torch
from checkpoints import load_model_chunked, save_model_chunked

torch.set_num_threads(1)  # a child has only the thread that forks
path, container, kills = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
instants = random.Random(5)

def save_forever(said):
    mark = 1
    while True:
        model = {f"net{i}": {"w": torch.full((1 << 18,), float(mark))} for i in range(8)}
        model["mark"] = mark
        save_model_chunked(model, path, 2, container=container, announce=lambda message: None)
        os.write(said, f"{mark}\\n".encode())
        mark += 1

for _ in range(kills):
    heard, said = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            save_forever(said)
        finally:
            os._exit(1)
    os.close(said)
    with os.fdopen(heard) as reports:
        assert reports.readline() == "1\\n"  # one whole save has been reported
        time.sleep(instants.uniform(0, 0.15))
        os.kill(child, signal.SIGKILL)
        reported = [1, *map(int, reports.read().split())][-1]
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    loaded = load_model_chunked(path)
    assert loaded["mark"] in (reported, reported + 1), (loaded["mark"], reported)
    for i in range(8):
        assert set(loaded[f"net{i}"]["w"].tolist()) == {float(loaded["mark"])}
    assert not [p.name for p in path.parent.iterdir() if p.name.startswith(".")]
    print("whole")
"""


@pytest.mark.integration
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(
    ("name", "container", "kills"),
    [("m.pth", "pth", 20), ("m.pth", "safetensors", 5), ("m.safetensors", "safetensors", 5)],
)
def test_kills_at_random_instants_lose_nothing(
    tmp_path: Path, name: str, container: str, kills: int
) -> None:
    printed = run_script(KILL_AT_RANDOM, tmp_path / name, container, kills)
    assert printed.split() == ["whole"] * kills
