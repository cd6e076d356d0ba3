import subprocess
import sys
from pathlib import Path

import pytest
import torch

from checkpoints import (
    SavedCheckpoint,
    describe,
    list_files,
    load_model_chunked,
    save_model_chunked,
)
from chunkport.errors import BadInputError


def test_a_chunked_checkpoint_is_described(chunked: SavedCheckpoint) -> None:
    summary = describe(chunked.path)
    sizes = [path.stat().st_size for path in chunked.chunk_files]
    assert summary.path == chunked.path
    assert summary.is_chunked
    assert [chunk.name for chunk in summary.chunks] == [path.name for path in chunked.chunk_files]
    assert [chunk.size_bytes for chunk in summary.chunks] == sizes
    assert (summary.total_bytes, summary.largest_bytes) == (sum(sizes), max(sizes))
    assert summary.cap_bytes == 65_536
    assert summary.missing == ()


def test_a_missing_chunk_is_reported(chunked: SavedCheckpoint) -> None:
    chunked.chunk_files[1].unlink()
    assert describe(chunked.path).missing == ("best_model.chunk_001.pth",)
    with pytest.raises(BadInputError, match=r"1 of 2 chunks missing: best_model\.chunk_001\.pth"):
        list_files(chunked.path)


def test_a_whole_checkpoint_is_described(tmp_path: Path) -> None:
    path = tmp_path / "m.pth"
    size = save_model_chunked({"w": torch.ones(3)}, path).total_bytes
    summary = describe(path)
    assert (summary.is_chunked, summary.chunks, summary.cap_bytes) == (False, (), None)
    assert summary.total_bytes == summary.largest_bytes == size
    assert list_files(path) == (path,)


def test_all_files_are_listed(chunked: SavedCheckpoint) -> None:
    assert chunked.manifest is not None
    expected = (chunked.path, chunked.manifest, *chunked.chunk_files)
    assert list_files(chunked.path) == expected
    assert set(expected) == set(chunked.path.parent.iterdir())
    chunked.path.unlink()
    assert list_files(chunked.manifest) == expected[1:]


@pytest.mark.parametrize("name", ["m.pth", "m.safetensors"])
def test_chunks_of_safetensors_are_described_and_listed(tmp_path: Path, name: str) -> None:
    saved = save_model_chunked(
        {"w": torch.ones(40_000)},
        tmp_path / name,
        0.0625,
        container="safetensors",
        announce=lambda _message: None,
    )
    assert saved.manifest is not None
    for given in (tmp_path / name, saved.manifest, tmp_path / "m.safetensors.index.json"):
        summary = describe(given)
        assert (summary.path, summary.is_chunked) == (tmp_path / name, True)
        assert (summary.cap_bytes, summary.largest_bytes <= 65_536) == (65_536, True)
        assert set(list_files(given)) == set(tmp_path.iterdir())
    saved.chunk_files[2].unlink()
    with pytest.raises(BadInputError, match=r"1 of 3 chunks missing: m\.chunk_002\.safetensors"):
        load_model_chunked(tmp_path / name)


def test_a_link_stands_for_its_checkpoint(tmp_path: Path, chunked: SavedCheckpoint) -> None:
    link = tmp_path / "latest.pth"
    link.symlink_to(chunked.path.name)
    assert list_files(link) == list_files(chunked.path)
    assert load_model_chunked(link)["epoch"] == 12


def test_describing_needs_no_torch(chunked: SavedCheckpoint) -> None:
    code = (
        "import sys, checkpoints; print(checkpoints.describe(sys.argv[1]).total_bytes);"
        "print(len(checkpoints.list_files(sys.argv[1]))); assert 'torch' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(chunked.path)], capture_output=True, text=True, check=True
    )
    sizes = [path.stat().st_size for path in chunked.chunk_files]
    assert done.stdout.split() == [str(sum(sizes)), "4"]


def test_a_checkpoint_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"m\.pth: no such checkpoint; check the path"):
        describe(tmp_path / "m.pth")
