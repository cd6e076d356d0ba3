"""Whether checkpoints can be kept in a git repository, and one on GitHub at that."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from checkpoints.checking import CheckedCheckpoint, Finding
from checkpoints.manifest import MIB

_WARNED_MIB = 50
_REFUSED_MIB = 100
_PUSH_MIB = 2048
_GIT_SECONDS = 60


@dataclass(frozen=True)
class HostingReport:
    """What stands in the way; `git` says whether git was asked, or why it was not."""

    findings: tuple[Finding, ...]
    git: str


@dataclass(frozen=True)
class _Kept:
    """What git does with files: those it ignores, and those it hands to LFS."""

    ignored: frozenset[Path] = frozenset()
    in_lfs: frozenset[Path] = frozenset()


def check_hosting(checkpoints: Sequence[CheckedCheckpoint], place: Path) -> HostingReport:
    """Look for what GitHub refuses in checkpoints that were found at `place`.

    GitHub warns of files above 50 MiB, takes none above 100 MiB, and no push above 2 GiB; see
    "About large files on GitHub" in its documentation. Files that git ignores are not counted,
    nor those in LFS, but a chunk that git ignores is missing in every clone.
    """
    files = [file.path for one in checkpoints for file in one.files if file.size_bytes is not None]
    files += [file for one in checkpoints for file in one.beside]
    kept, git = _ask_git(place if place.is_dir() else place.parent, files)
    findings = [
        Finding(
            "warning",
            f"{one.path}: git ignores {len(ignored)} of its files, so a clone lacks them; see "
            f"git check-ignore -v {ignored[0]}",
        )
        for one in checkpoints
        if one.form == "chunks"
        and (
            ignored := [
                file
                for file in (*(state.path for state in one.files), *one.beside)
                if file in kept.ignored
            ]
        )
    ]
    elsewhere = kept.ignored | kept.in_lfs
    pushed = {file for file in files if file not in elsewhere and not file.is_symlink()}
    sizes = {file: file.stat().st_size / MIB for file in pushed}
    return HostingReport((*findings, *_too_large(sizes)), git)


def _too_large(mib: dict[Path, float]) -> list[Finding]:
    """What GitHub makes of files of such sizes, in MiB."""
    messages = [
        f"{file}: {size:.1f} MiB, and GitHub takes no file above {_REFUSED_MIB} MiB; save it in "
        "chunks, with save_model_chunked"
        for file, size in sorted(mib.items())
        if size > _REFUSED_MIB
    ]
    warned = {file: size for file, size in mib.items() if _WARNED_MIB < size <= _REFUSED_MIB}
    if warned:
        largest = max(warned, key=lambda file: warned[file])
        messages.append(
            f"{largest}: {warned[largest]:.1f} MiB, the largest of {len(warned)} files above "
            f"{_WARNED_MIB} MiB, which GitHub takes with a warning; nothing need be done"
        )
    total = sum(size for size in mib.values() if size <= _REFUSED_MIB)
    if total > _PUSH_MIB:
        messages.append(
            f"{total:.0f} MiB in all, and GitHub takes no push above {_PUSH_MIB} MiB; commit and "
            f"push the files in {-(-total // _PUSH_MIB):.0f} parts or more"
        )
    return [Finding("warning", message) for message in messages]


def _ask_git(folder: Path, files: Sequence[Path]) -> tuple[_Kept, str]:
    """What git does with the files, and "asked", or the reason why it could not be."""
    program = shutil.which("git")
    if program is None:
        return _Kept(), "not asked: git is not installed"
    names = "\0".join(str(file.absolute()) for file in files)
    # settings of a repository that somebody else packed are not to start programs of theirs
    safe = ["-c", "core.fsmonitor=false", "-c", "core.hooksPath=", "-C", str(folder)]

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603  # git itself, with names from its standard input
            [program, *safe, *arguments],
            input=names,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=_GIT_SECONDS,
            check=False,
        )

    try:
        if run("rev-parse", "--is-inside-work-tree").returncode:
            return _Kept(), "not asked: not in a git repository"
        ignored = run("check-ignore", "-z", "--stdin")
        filters = run("check-attr", "-z", "--stdin", "filter")
    except subprocess.TimeoutExpired:
        return _Kept(), f"not asked: git took more than {_GIT_SECONDS} s"
    if ignored.returncode > 1 or filters.returncode:
        said = (ignored.stderr or filters.stderr).partition("\n")[0]
        return _Kept(), f"not asked: {said}"
    by_name = {str(file.absolute()): file for file in files}
    values = filters.stdout.split("\0")
    in_lfs = [
        name for name, value in zip(values[::3], values[2::3], strict=False) if value == "lfs"
    ]

    def known(names: list[str]) -> frozenset[Path]:
        return frozenset(by_name[name] for name in names if name in by_name)

    return _Kept(known(ignored.stdout.split("\0")), known(in_lfs)), "asked"
