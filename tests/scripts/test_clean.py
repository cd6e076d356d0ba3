import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from checkpoints import save_model_chunked
from chunkport.errors import UsageError
from scripts.clean import command

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """In two chunks, with what an interrupted save left."""
    saved = save_model_chunked(
        {"w": torch.randn(30_000)}, tmp_path / "m.pth", 0.0625, announce=lambda _message: None
    )
    (tmp_path / ".m.pth.0123456789abcdef.staged").write_bytes(bytes(500))
    return saved.path


def run(*arguments: str | Path) -> dict[str, Any]:
    done = CliRunner().invoke(
        command, [*map(str, arguments), "--format", "json"], standalone_mode=False
    )
    if done.exception:
        raise done.exception
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def names(document: dict[str, Any]) -> list[str]:
    return sorted(Path(row["path"]).name for row in document["files"])


def test_left_overs_are_shown_and_removed(checkpoint: Path) -> None:
    before = len(list(checkpoint.parent.iterdir()))
    for flags in (("--dry-run",), ()):
        found = run(checkpoint.parent, *flags)
        assert names(found) == [".m.pth.0123456789abcdef.staged"]
        assert found["size_bytes"] == 500
        assert len(list(checkpoint.parent.iterdir())) == before - (not flags)
    assert run(checkpoint)["files"] == []


def test_a_whole_checkpoint_goes_only_by_force(checkpoint: Path) -> None:
    with pytest.raises(UsageError, match="for good; add --force"):
        run(checkpoint, "--chunks")
    shown = run(checkpoint, "--chunks", "--dry-run")
    assert "m.chunk_001.pth" in names(shown)
    assert checkpoint.exists()
    assert names(run(checkpoint, "--chunks", "--force")) == names(shown)
    assert list(checkpoint.parent.iterdir()) == []


def test_chunks_of_a_whole_folder_are_refused(checkpoint: Path) -> None:
    with pytest.raises(UsageError, match="is a folder; --chunks takes one checkpoint"):
        run(checkpoint.parent, "--chunks", "--force")


def test_force_alone_is_not_taken_for_more_than_it_is(checkpoint: Path) -> None:
    with pytest.raises(UsageError, match="--force belongs to --chunks"):
        run(checkpoint, "--force")
    assert len(list(checkpoint.parent.glob(".*.staged"))) == 1


@pytest.mark.integration
def test_as_a_program_it_tells_people_the_same(
    checkpoint: Path, run_python: Callable[..., Any]
) -> None:
    done = run_python(ROOT / "scripts" / "clean.py", checkpoint.parent)
    assert done.returncode == 0, done.stderr
    assert ".m.pth.0123456789abcdef.staged" in done.stdout
    assert "1 files, 0.00 MB removed" in done.stdout
    missing = run_python(ROOT / "scripts" / "clean.py", "nowhere.pth")
    assert missing.returncode == 5
