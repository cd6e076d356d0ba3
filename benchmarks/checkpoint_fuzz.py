"""What reading makes of wrong files: python benchmarks/checkpoint_fuzz.py.

Flips single bits in the files of a checkpoint, each of which must be found, and changes manifests
and pickles in ways that leave their checksums right, as a forger would. Whatever is read must be
taken or refused with a message: any other error, code that is run or a file that is written, and
a case that takes too long are failures, for which it exits 1. A failure is made again by its number
and the seed.
"""

import codecs
import contextlib
import faulthandler
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import click
import numpy as np
import torch

from benchmarks.checkpoint_mutations import (
    flip_bit,
    members_of,
    mutate_manifest,
    mutate_pickle,
    write_members,
)
from checkpoints import SavedCheckpoint, load_model_chunked, open_checkpoint, save_model_chunked
from checkpoints.streaming import TensorStream
from chunkport.errors import ChunkportError
from scripts._cli import run
from scripts._options import chunkport_command
from scripts._output import Column, Output

_SECONDS = 10.0  # of the processor for one case; a right file takes a few milliseconds
_DEADLOCK_SECONDS = 600  # by the clock, which runs while the process is held up
_FORBIDDEN = frozenset(
    [
        *("os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn"),
        *("subprocess.Popen", "socket.connect", "pickle.find_class", "exec", "import", "ctypes"),
    ]
)
_WRITING = 3  # O_WRONLY | O_RDWR, on every system
_COLUMNS = (
    Column("kind", "what was changed"),
    Column("cases", "cases", right=True),
    Column("refused", "refused", right=True),
    Column("taken", "taken", right=True),
    Column("failed", "failed", right=True),
)


class TookTooLong(BaseException):
    """A case did not end in time."""


@dataclass
class Watch:
    """Hears of everything that code in a file would do, while it is on."""

    on: bool = False
    heard: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        sys.addaudithook(self._hear)  # which cannot be taken away again

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        writing = event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING
        if event in _FORBIDDEN or writing:
            self.heard.append(f"{event} {arguments!r:.100}")


@dataclass
class Tally:
    """How the cases of one kind ended; `taken` are read as if nothing were wrong."""

    kind: str
    refused: int = 0
    taken: int = 0
    failures: list[str] = field(default_factory=list)

    def count(self, ended: str, case: str, what: Any) -> None:
        """Add a case that ended so, as `attempt` tells."""
        if ended == "failed":
            self.failures.append(f"{case}: {what}")
        elif ended == "refused":
            self.refused += 1
        else:
            self.taken += 1

    def row(self) -> dict[str, Any]:
        """As a row of the report."""
        failed = len(self.failures)
        cases = self.refused + self.taken + failed
        return {
            "kind": self.kind,
            "cases": cases,
            "refused": self.refused,
            "taken": self.taken,
            "failed": failed,
        }


def open_and_read(path: Path) -> None:
    """Open a checkpoint lazily, then read every tensor of it."""
    stream = TensorStream()
    for tensor in open_checkpoint(path).tensors().values():
        for _ in stream.blocks(tensor, 0, tensor.elements):
            pass


DOORS: tuple[Callable[[Path], Any], ...] = (load_model_chunked, open_and_read)
"""The ways of reading a checkpoint."""


@contextlib.contextmanager
def in_time(seconds: float) -> Iterator[None]:
    """Raise TookTooLong in what takes longer; where it cannot be raised, end the process."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def stop(*_: object) -> None:
        raise TookTooLong

    before = signal.signal(signal.SIGPROF, stop)
    faulthandler.dump_traceback_later(_DEADLOCK_SECONDS, exit=True)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGPROF, before)


def attempt(read: Callable[[Path], Any], path: Path, watch: Watch) -> tuple[str, Any]:
    """How reading ends: `refused` with the error, `taken` with the value, or `failed` with why."""
    watch.heard.clear()
    try:
        with in_time(_SECONDS), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            watch.on = True
            try:
                ended: tuple[str, Any] = "taken", read(path)
            finally:
                watch.on = False
    except ChunkportError as error:
        ended = "refused", error
    except TookTooLong:
        return "failed", f"took more than {_SECONDS:g} s"
    except Exception as error:  # noqa: BLE001 - whatever else it is, it is what is looked for
        return "failed", f"{type(error).__name__}: {error}"
    return ("failed", f"did {watch.heard[0]}") if watch.heard else ended


def flip_bits(
    name: str, files: Sequence[Path], main: Path, cases: int, *, seed: int, watch: Watch
) -> Tally:
    """One bit at a time: found, or in bytes that mean nothing, so that what is read is the same."""
    tally = Tally(f"a bit of {name}")
    right = _bytes_of(load_model_chunked(main))
    for number in range(cases):
        random = Random(f"{seed} {name} {number}")  # noqa: S311 - to be made again, not to be secret
        file = random.choice(files)
        whole = file.read_bytes()
        changed, position = flip_bit(whole, random)
        file.write_bytes(changed)
        ended, what = attempt(load_model_chunked, main, watch)
        file.write_bytes(whole)
        if ended == "taken" and _bytes_of(what) != right:
            ended, what = "failed", "other values than were saved"
        tally.count(ended, f"{seed} {name} {number}: {file.name} byte {position}", what)
    return tally


def mutate(
    name: str, change: Callable[[Random], None], main: Path, cases: int, *, seed: int, watch: Watch
) -> Tally:
    """Changes of one kind, each read in both ways."""
    tally = Tally(f"{name}, read in {len(DOORS)} ways")
    for number in range(cases):
        change(Random(f"{seed} {name} {number}"))  # noqa: S311 - as above
        for read in DOORS:
            ended, what = attempt(read, main, watch)
            tally.count(ended, f"{seed} {name} {number}: {read.__name__}", what)
    return tally


def fuzz(folder: Path, flips: int, manifests: int, pickles: int, seed: int) -> list[Tally]:
    """All kinds of changes to a small checkpoint, in chunks and in one file."""
    watch = Watch()
    chunked, plain, safe = save_subjects(folder)
    manifest = chunked.manifest
    assert manifest is not None
    text, members = manifest.read_text(encoding="ascii"), members_of(plain.path)
    pickled = next(name for name in members if name.endswith("/data.pkl"))

    def forge_manifest(random: Random) -> None:
        changed = mutate_manifest(text, random)
        manifest.write_text(changed, encoding="utf-8", errors="surrogatepass")

    def forge_pickle(random: Random) -> None:
        program = mutate_pickle(members[pickled], random)
        write_members(plain.path, {**members, pickled: program})

    for path in (chunked.path, plain.path):  # now, so that no import is taken for the files'
        for read in DOORS:
            read(path)
    codecs.lookup("raw_unicode_escape")
    bits = partial(flip_bits, seed=seed, watch=watch)
    return [
        bits("a chunk", chunked.chunk_files, chunked.path, flips - flips // 2),
        bits("the manifest", [manifest], chunked.path, flips // 4),
        bits("the placeholder", [chunked.path], chunked.path, flips // 4),
        bits("the one file", [plain.path], plain.path, flips),
        bits("a .safetensors", [*safe.chunk_files], safe.path, flips // 4),
        mutate("a manifest", forge_manifest, chunked.path, manifests, seed=seed, watch=watch),
        mutate("a pickle", forge_pickle, plain.path, pickles, seed=seed, watch=watch),
    ]


def save_subjects(folder: Path) -> tuple[SavedCheckpoint, SavedCheckpoint, SavedCheckpoint]:
    """A checkpoint with a value of every kind: in chunks, in one file, in chunks of safetensors."""
    generator = torch.Generator().manual_seed(1)
    small = {
        "net": {"weight": torch.randn(4, 3, generator=generator), "half": torch.ones(5).half()},
        "optimizer": {
            "state": {0: {"step": torch.tensor(3.0)}},
            "groups": [{"lr": 0.1, "p": (0, 1)}],
        },
        "shape": torch.Size([2, 3]),
        "array": np.arange(4, dtype=np.int16),
        "number": np.float32(0.5),
        "history": [1.0, float("nan"), None, True, "text"],
    }
    large = {**small, "big": {"rows": torch.randn(300, 100, generator=generator)}}
    chunked = save_model_chunked(large, folder / "chunked.pth", 0.0625, announce=lambda _: None)
    plain = save_model_chunked(small, folder / "plain.pth", announce=lambda _: None)
    path = folder / "safe.safetensors"
    safe = save_model_chunked(large, path, 0.0625, announce=lambda _: None)
    return chunked, plain, safe


def _bytes_of(value: Any) -> Any:
    """What was loaded as something that compares, NaN and all."""
    if isinstance(value, dict):
        return [(key, _bytes_of(item)) for key, item in value.items()]
    if isinstance(value, list | tuple):
        return [type(value).__name__, *map(_bytes_of, value)]
    if isinstance(value, torch.Tensor):
        return value.dtype, value.shape, value.numpy().tobytes()
    if isinstance(value, np.ndarray | np.generic):
        return value.dtype.name, value.shape, value.tobytes()
    return repr(value)


@chunkport_command("checkpoint-fuzz")
@click.option("--flips", type=click.IntRange(min=4), default=2000, help="Bits of each form.")
@click.option("--manifests", type=click.IntRange(min=1), default=10_000, help="Forged manifests.")
@click.option("--pickles", type=click.IntRange(min=1), default=10_000, help="Forged pickles.")
@click.option("--seed", type=int, default=0, help="Another one makes other cases.")
def command(output: Output, flips: int, manifests: int, pickles: int, seed: int) -> int:
    """Read thousands of wrong checkpoints, none of which may do harm."""
    with tempfile.TemporaryDirectory() as folder:
        tallies = fuzz(Path(folder), flips, manifests, pickles, seed)
    output.table("kinds", "wrong files", _COLUMNS, [tally.row() for tally in tallies])
    failures = [failure for tally in tallies for failure in tally.failures]
    output.fact("failures", failures, "\n".join(failures[:50]))
    return 1 if failures else 0


if __name__ == "__main__":
    run(command)
