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
