"""Saves as safetensors that were committed and not finished, met by those who come next."""

from pathlib import Path
from typing import Any

import pytest
import torch

from checkpoints import describe, load_model_chunked, save_model_chunked
from checkpoints.journal import Commit
from checkpoints.layout import layout_of

CAP_MB = 0.0625


def unfinished(folder: Path, *, cap_mb: float = CAP_MB) -> dict[str, Any]:
    """A committed save of m.safetensors of which nothing is in place yet."""
    model = {"net": {"w": torch.randn(20_000)}, "epoch": 2}
    path = folder / "m.safetensors"
    saved = save_model_chunked(model, path, cap_mb, announce=lambda _message: None)
    layout = layout_of(path)
    for file in list(folder.iterdir()):
        file.rename(layout.staged(file.name, saved.save_id))
    commit = Commit(saved.save_id, len(saved.chunk_files), "safetensors", ".safetensors")
    layout.journal.write_text(commit.to_text())
    return model


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("given", ["m.safetensors", "m.safetensors.index.json", ""])
def test_the_next_reader_finishes_it(tmp_path: Path, given: str) -> None:
    model = unfinished(tmp_path)
    assert torch.equal(load_model_chunked(tmp_path / given)["net"]["w"], model["net"]["w"])
    assert names(tmp_path) == [
        "m.chunk_000.safetensors",
        "m.chunk_001.safetensors",
        "m.manifest.json",
        "m.safetensors.index.json",
    ]


def test_the_whole_file_before_it_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the folder cannot be tidied; for root no folder is read-only."""
    model = unfinished(tmp_path)
    older = save_model_chunked({"old": torch.ones(2)}, tmp_path / "o.safetensors").path
    older.rename(tmp_path / "m.safetensors")
    before = names(tmp_path)

    def read_only(self: Path, target: Path) -> None:
        raise PermissionError(13, "Permission denied", str(self), None, str(target))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", read_only)
        loaded = load_model_chunked(tmp_path / "m.safetensors")
        assert names(tmp_path) == before
    assert torch.equal(loaded["net"]["w"], model["net"]["w"])
    assert describe(tmp_path / "m.safetensors").is_chunked
    assert not (tmp_path / "m.safetensors").exists()


def test_a_reader_of_the_other_ending_finishes_it_too(tmp_path: Path) -> None:
    model = unfinished(tmp_path, cap_mb=90)
    torch.save({"other": 1}, tmp_path / "m.pth")
    assert load_model_chunked(tmp_path / "m.pth") == {"other": 1}
    assert names(tmp_path) == ["m.pth", "m.safetensors"]
    loaded = load_model_chunked(tmp_path / "m.safetensors")
    assert torch.equal(loaded["net"]["w"], model["net"]["w"])


def test_a_damaged_journal_of_another_name_does_not_matter_to_a_folder(tmp_path: Path) -> None:
    model = unfinished(tmp_path)
    (tmp_path / ".other.journal").write_text("what")
    assert torch.equal(load_model_chunked(tmp_path)["net"]["w"], model["net"]["w"])
