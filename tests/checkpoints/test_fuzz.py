"""A few hundred of the wrong files that benchmarks/checkpoint_fuzz.py makes thousands of."""

import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks import checkpoint_fuzz
from benchmarks.checkpoint_fuzz import Watch, attempt, fuzz
from chunkport.errors import BadInputError

if TYPE_CHECKING:
    from collections.abc import Callable


def test_wrong_files_do_no_harm(tmp_path: Path) -> None:
    tallies = fuzz(tmp_path, flips=80, manifests=120, pickles=120, seed=1)
    assert [failure for tally in tallies for failure in tally.failures] == []
    chunk, manifest, placeholder, one_file, safe, manifests, pickles = tallies
    assert (chunk.refused, chunk.taken) == (40, 0)
    assert (safe.refused, safe.taken) == (20, 0)
    assert (manifest.refused, manifest.taken) == (20, 0)
    assert placeholder.refused + placeholder.taken == 20
    assert one_file.refused > one_file.taken  # of a small archive, much is padding
    for tally in (manifests, pickles):
        assert tally.refused + tally.taken == 240
        assert tally.refused > tally.taken > 0  # some changes leave a right file


@pytest.mark.skipif(os.name != "posix", reason="starts a program as POSIX does")
def test_harm_would_be_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch()

    def start_a_program(_path: Path) -> None:
        subprocess.run(["true"], check=True)  # noqa: S607 - a program that is everywhere

    def write_a_file(path: Path) -> None:
        path.write_text("")

    def stumble(_path: Path) -> None:
        raise KeyError("w")

    def refuse(_path: Path) -> None:
        raise BadInputError("no")

    def hang(_path: Path) -> None:
        while time.process_time() < 1e9:
            pass

    monkeypatch.setattr(checkpoint_fuzz, "_SECONDS", 0.1)
    expected: list[tuple[Callable[[Path], Any], str, str]] = [
        (start_a_program, "failed", "did subprocess.Popen"),
        (write_a_file, "failed", "did open"),
        (stumble, "failed", "KeyError: 'w'"),
        (hang, "failed", "took more than 0.1 s"),
        (refuse, "refused", "no"),
        (str, "taken", str(tmp_path / "f")),
    ]
    for read, how, what in expected:
        ended, found = attempt(read, tmp_path / "f", watch)
        assert ended == how
        assert str(found).startswith(what)
