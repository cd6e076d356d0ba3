"""Which of a folder's files are a user's pictures."""

from pathlib import Path

import pytest

from chunkport.errors import UsageError
from wrappers.picture_files import pictures_in


def test_pictures_are_found_by_their_endings_in_order(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpeg", "notes.txt", "c.webp"):
        (tmp_path / name).touch()
    assert [path.name for path in pictures_in(tmp_path)] == ["a.jpeg", "b.PNG", "c.webp"]


def test_folders_and_hidden_files_are_no_pictures(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    (tmp_path / "._a.png").touch()  # what macOS leaves beside a.png on other disks
    (tmp_path / "old.png").mkdir()
    assert [path.name for path in pictures_in(tmp_path)] == ["a.png"]


def test_a_folder_without_pictures_and_none_at_all_are_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UsageError, match=r"holds no picture \(\.bmp, "):
        pictures_in(tmp_path)
    with pytest.raises(UsageError, match="absent: is no folder"):
        pictures_in(tmp_path / "absent")
