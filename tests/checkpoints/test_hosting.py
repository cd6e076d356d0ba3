import os
import shutil
import subprocess
from pathlib import Path

import pytest

from checkpoints import SavedCheckpoint
from checkpoints.checking import CheckedCheckpoint, FileState, check
from checkpoints.hosting import HostingReport, check_hosting

MIB = 1 << 20
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="asks git")


def checkpoint(folder: Path, *mib: float) -> CheckedCheckpoint:
    """One of files of such sizes, which are holes."""
    states = []
    for number, size in enumerate(mib):
        file = folder / f"m.chunk_{number:03d}.pth"
        file.touch()
        os.truncate(file, int(size * MIB))
        states.append(FileState(file, int(size * MIB)))
    return CheckedCheckpoint(folder / "m.pth", "chunks", tuple(states))


def said(report: HostingReport) -> str:
    assert all(finding.level == "warning" for finding in report.findings)
    return "\n".join(finding.message for finding in report.findings)


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)  # noqa: S607 - git's place differs


def test_small_files_are_fine(tmp_path: Path) -> None:
    report = check_hosting([checkpoint(tmp_path, 1, 50)], tmp_path)
    assert report.findings == ()


def test_files_that_github_refuses_are_named(tmp_path: Path) -> None:
    report = check_hosting([checkpoint(tmp_path, 100, 100.01, 137.8)], tmp_path)
    text = said(report)
    assert "m.chunk_001.pth: 100.0 MiB, and GitHub takes no file above 100 MiB" in text
    assert "m.chunk_002.pth: 137.8 MiB" in text
    assert "m.chunk_000.pth: 100.0 MiB, the largest of 1 files above 50 MiB" in text


def test_more_than_one_push_takes_is_told(tmp_path: Path) -> None:
    text = said(check_hosting([checkpoint(tmp_path, *[90] * 33)], tmp_path))
    assert "2970 MiB in all" in text
    assert "in 2 parts or more" in text


def test_outside_a_repository_git_is_not_asked(tmp_path: Path) -> None:
    report = check_hosting([checkpoint(tmp_path, 1)], tmp_path)
    assert report.git == "not asked: not in a git repository"


def test_without_git_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    report = check_hosting([checkpoint(tmp_path, 1)], tmp_path)
    assert report.git == "not asked: git is not installed"


@needs_git
def test_chunks_that_git_ignores_are_named(chunked: SavedCheckpoint) -> None:
    folder = chunked.path.parent
    git(folder, "init", "-q")
    report = check_hosting([check(chunked.path)], folder)
    assert (report.git, report.findings) == ("asked", ())
    (folder / ".gitignore").write_text("*.chunk_001.pth\n")
    text = said(check_hosting([check(chunked.path)], folder))
    assert "best_model.pth: git ignores 1 of its files, so a clone lacks them" in text
    assert f"git check-ignore -v {chunked.chunk_files[1]}" in text


@needs_git
def test_files_that_are_ignored_or_in_lfs_are_not_too_large(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    large = checkpoint(tmp_path, 200, 200)
    (tmp_path / ".gitignore").write_text("*.chunk_000.pth\n")
    (tmp_path / ".gitattributes").write_text(
        "*.chunk_001.pth filter=lfs diff=lfs merge=lfs -text\n"
    )
    assert "MiB" not in said(check_hosting([large], tmp_path))


@needs_git
def test_a_repository_s_settings_start_no_program(chunked: SavedCheckpoint) -> None:
    folder = chunked.path.parent
    git(folder, "init", "-q")
    mark = folder / "ran"
    hook = folder / "hook"
    hook.write_text(f"#!/bin/sh\ntouch '{mark}'\n")
    hook.chmod(0o755)
    git(folder, "config", "core.fsmonitor", str(hook))
    git(folder, "config", "core.hooksPath", str(folder))
    assert check_hosting([check(chunked.path)], folder).git == "asked"
    assert not mark.exists()
