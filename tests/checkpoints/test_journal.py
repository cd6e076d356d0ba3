import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from checkpoints import describe, load_model_chunked, save_model_chunked
from checkpoints.journal import locked, needs_recovery, recover
from checkpoints.layout import layout_of
from chunkport.errors import BadInputError

CAP_MB = 0.0625

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
            rest = {"best_model.manifest.json"} if chunks else set()
            if chunks and container != "pth":
                rest |= {"best_model.safetensors.index.json"}
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
    [
        ("best_model.pth", "pth"),
        ("best_model.pth", "safetensors"),
        ("best_model.safetensors", "safetensors"),
    ],
    ids=["pth", "pth of safetensors", "safetensors"],
)
def test_death_at_any_step_leaves_the_old_or_the_new(
    tmp_path: Path, name: str, container: str
) -> None:
    sizes = [str(size) for pair in SIZES.values() for size in pair]
    arguments = [str(tmp_path), name, container, *sizes]
    done = subprocess.run(
        [sys.executable, "-c", DIE_AT_EVERY_STEP, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    counts = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
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
    done = subprocess.run(
        [sys.executable, "-c", KILL_AT_RANDOM, str(tmp_path / name), container, str(kills)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["whole"] * kills


LOAD_OFTEN = """
import sys
from checkpoints import load_model_chunked
for _ in range(40):
    loaded = load_model_chunked(sys.argv[1])
    assert {v for d in loaded.values() for v in d["w"].tolist()} in ({1.0}, {2.0})
"""


@pytest.mark.integration
def test_a_reader_never_sees_two_saves_at_once(tmp_path: Path) -> None:
    path = tmp_path / "best_model.pth"

    def save(mark: float) -> None:
        model = {key: {"w": torch.full((40_000,), mark)} for key in "abc"}
        save_model_chunked(model, path, CAP_MB, announce=lambda _message: None)

    save(1.0)
    with subprocess.Popen([sys.executable, "-c", LOAD_OFTEN, str(path)]) as reader:
        saves = 0
        while reader.poll() is None:
            save(float(saves % 2 + 1))
            saves += 1
            time.sleep(0.01)  # one who saves without a pause keeps readers waiting
    assert reader.returncode == 0
    assert saves > 10


def interrupted(folder: Path) -> dict[str, Any]:
    """A committed save of chunks over a whole file, of which only one chunk is in place yet."""
    path = folder / "m.pth"
    model = {"net": {"w": torch.randn(20_000)}}
    saved = save_model_chunked(model, path, CAP_MB, announce=lambda _message: None)
    assert saved.manifest is not None
    layout = layout_of(path)
    for file in (saved.path, saved.manifest, saved.chunk_files[1]):
        file.rename(layout.staged(file.name, saved.save_id))
    layout.journal.write_text(f'{{"save_id": "{saved.save_id}", "chunks": 2}}\n')
    torch.save({"old": 1}, path)
    return model


def test_a_committed_save_is_finished_by_the_next_reader(tmp_path: Path) -> None:
    model = interrupted(tmp_path)
    assert describe(tmp_path / "m.pth").is_chunked
    assert torch.equal(load_model_chunked(tmp_path / "m.pth")["net"]["w"], model["net"]["w"])
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "m.chunk_000.pth",
        "m.chunk_001.pth",
        "m.manifest.json",
        "m.pth",
    ]


def test_a_read_only_folder_is_read_as_if_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Renaming is made to fail, since for root no folder is read-only."""
    model = interrupted(tmp_path)
    before = sorted(p.name for p in tmp_path.iterdir())

    def read_only(self: Path, target: Path) -> None:
        raise PermissionError(13, "Permission denied", str(self), None, str(target))

    monkeypatch.setattr(Path, "replace", read_only)
    assert torch.equal(load_model_chunked(tmp_path / "m.pth")["net"]["w"], model["net"]["w"])
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_what_an_unfinished_save_left_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "m.pth"
    save_model_chunked({"old": 1}, path)
    layout = layout_of(path)
    names = ("m.pth", "m.chunk_000.pth", "m.manifest.json")
    litter = [layout.staged(name, "0123456789abcdef") for name in names]
    litter.append(tmp_path / "..m.journal.0123abcd.tmp")
    neighbour = tmp_path / ".m2.pth.0123456789abcdef.staged"
    for file in (*litter, neighbour):
        file.write_text("half")
    assert needs_recovery(layout)
    assert load_model_chunked(path) == {"old": 1}
    assert sorted(tmp_path.iterdir()) == [neighbour, path]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"save_id": "../../../etc/x", "chunks": 1}\n',
        '{"save_id": "0123456789abcdef", "chunks": -1}\n',
        '{"save_id": "0123456789abcdef", "chunks": "2"}\n',
        "\udcff",
    ],
)
def test_a_damaged_journal_is_refused_and_changes_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "m.pth"
    save_model_chunked({"old": 1}, path)
    (tmp_path / ".m.journal").write_bytes(text.encode("utf-8", "surrogateescape"))
    before = sorted(tmp_path.iterdir())
    with pytest.raises(BadInputError, match=r"\.m\.journal: damaged journal .* remove it"):
        load_model_chunked(path)
    with pytest.raises(BadInputError, match=r"\.m\.journal: damaged journal"):
        save_model_chunked({"new": 1}, path)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.integration
@pytest.mark.skipif(os.name == "nt", reason="no locks on folders")
def test_a_writer_waits_for_readers_and_leaves_no_lock_behind(tmp_path: Path) -> None:
    path = tmp_path / "m.pth"
    save_model_chunked({"old": 1}, path)
    code = "import sys; from checkpoints import *; save_model_chunked({'new': 1}, sys.argv[1])"
    with locked(tmp_path, exclusive=False):
        writer = subprocess.Popen([sys.executable, "-c", code, str(path)])
        with pytest.raises(subprocess.TimeoutExpired):
            writer.wait(4)
        assert load_model_chunked(path) == {"old": 1}
    assert writer.wait() == 0
    assert load_model_chunked(path) == {"new": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_recovering_a_sound_checkpoint_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "m.pth"
    save_model_chunked({"old": 1}, path)
    recover(layout_of(path))
    assert not needs_recovery(layout_of(path))
    assert list(tmp_path.iterdir()) == [path]
