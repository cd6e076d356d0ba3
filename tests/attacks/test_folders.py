"""Files that are not what stands where they stand: links, pipes, pointers of Git LFS."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from checkpoints import SavedCheckpoint, load_model_chunked

Check = Callable[..., None]
LFS_POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
posix = pytest.mark.skipif(os.name != "posix", reason="links and pipes as POSIX has them")


@pytest.mark.parametrize(
    "name", ["best_model.pth", "best_model.manifest.json", "best_model.chunk_001.pth"]
)
def test_a_git_lfs_pointer(chunked: SavedCheckpoint, refused: Check, name: str) -> None:
    (chunked.path.parent / name).write_text(LFS_POINTER)
    refused(chunked.path, name, "git lfs pull")


@posix
def test_a_link_to_a_chunk_elsewhere_is_followed(chunked: SavedCheckpoint, tmp_path: Path) -> None:
    """Stores that keep each content once link to it; what is read is checked in any case."""
    elsewhere = tmp_path / "store" / "blob"
    elsewhere.parent.mkdir()
    chunked.chunk_files[0].rename(elsewhere)
    chunked.chunk_files[0].symlink_to(elsewhere)
    assert load_model_chunked(chunked.path)["epoch"] == 12


@posix
@pytest.mark.parametrize("size", ["its own", "the chunk's"])
def test_a_link_to_a_secret_tells_nothing_of_it(
    chunked: SavedCheckpoint, tmp_path: Path, refused: Check, size: str
) -> None:
    secret = tmp_path / "elsewhere" / "secret"
    secret.parent.mkdir()
    chunk = chunked.chunk_files[0]
    secret.write_bytes(b"hunter2 " * (3 if size == "its own" else chunk.stat().st_size // 8))
    os.truncate(secret, 24 if size == "its own" else chunk.stat().st_size)
    chunk.unlink()
    chunk.symlink_to(secret)
    refused(chunked.path, chunk.name, "damaged")
    with pytest.raises(Exception, match=chunk.name) as caught:
        load_model_chunked(chunked.path)
    assert "hunter2" not in str(caught.value)


@posix
@pytest.mark.parametrize("target", ["/dev/zero", "/dev/stdin", ".", "best_model.chunk_000.pth"])
def test_a_link_to_what_is_no_file(chunked: SavedCheckpoint, refused: Check, target: str) -> None:
    chunked.chunk_files[0].unlink()
    chunked.chunk_files[0].symlink_to(target)
    refused(chunked.path, "best_model.chunk_000.pth")


@posix
@pytest.mark.parametrize(
    "name", ["best_model.pth", "best_model.manifest.json", "best_model.chunk_000.pth"]
)
def test_a_pipe_is_not_waited_for(chunked: SavedCheckpoint, survived: Check, name: str) -> None:
    (chunked.path.parent / name).unlink()
    os.mkfifo(chunked.path.parent / name)
    survived(chunked.path)


@posix
def test_a_pipe_in_place_of_the_journal(chunked: SavedCheckpoint, survived: Check) -> None:
    os.mkfifo(chunked.path.parent / ".best_model.journal")
    survived(chunked.path)
