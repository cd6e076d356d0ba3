"""Kill what writes checkpoints, at random instants: python benchmarks/checkpoint_kills.py.

Every trial starts a process that saves, overwrites, saves in the background, cleans or removes
checkpoints without a pause, kills it with SIGKILL, and looks at what the next call finds. The last
mode does the same to torch.save in place, to show that the harness finds losses. Needs fork, so
not for Windows. Exits 1 when one of ours is lost, mixed, or followed by files left over.
"""

import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import torch

from checkpoints import (
    clean_chunks,
    list_files,
    load_model_chunked,
    remove_checkpoint,
    save_model_chunked,
)
from checkpoints.background import BackgroundSaver, snapshot
from checkpoints.trash import discard, in_trash, restore
from chunkport.errors import BadInputError
from scripts._cli import run
from scripts._options import chunkport_command
from scripts._output import Column, Output
from verify.benchmark.machine import machine

_PARTS, _ELEMENTS = 6, 1 << 18  # 6 MiB, in chunks of 2 MiB
_CAP_MB = 2.0
_LONGEST_WAIT_S = 0.25
_OUTCOMES = ("before", "after", "gone", "lost", "mixed", "left over")
_BAD = ("lost", "mixed", "left over")
_COLUMNS = (Column("mode", "killed while"), *(Column(name, name) for name in _OUTCOMES))


def _model(mark: int, parts: int = _PARTS) -> dict[str, Any]:
    return {
        "mark": mark,
        **{f"net{i}": {"w": torch.full((_ELEMENTS,), float(mark))} for i in range(parts)},
    }


def _save(path: Path, mark: int, parts: int = _PARTS) -> None:
    save_model_chunked(_model(mark, parts), path, _CAP_MB, announce=lambda _: None)


def _save_anew(path: Path, mark: int) -> None:
    _save(path.with_stem(f"{path.stem}_{mark}"), mark)


def _overwrite(path: Path, mark: int) -> None:
    _save(path, mark, _parts(mark))


def _parts(mark: int) -> int:
    """Every third save fits into one file."""
    return _PARTS if mark % 3 else 1


def _clean(path: Path, mark: int) -> None:
    _save(path, mark)
    clean_chunks(path)


def _remove(path: Path, mark: int) -> None:
    _save(path, mark)
    remove_checkpoint(path)


def _prune(path: Path, mark: int) -> None:
    """Into the trash, back, and into the trash again."""
    _save(path, mark)
    restore([discard(path, list_files(path), f"{mark}a")])
    discard(path, list_files(path), f"{mark}b")


def _torch_save(path: Path, mark: int) -> None:
    torch.save(_model(mark), path)


@dataclass(frozen=True)
class Mode:
    """What is done over and over to a checkpoint until the kill.

    Attributes:
        step: does it once, for a mark that grows.
        may_be_gone: whether nothing at all is a sound outcome.
        load: how the next call reads.
        suffix: of the checkpoint's name.
    """

    step: Callable[[Path, int], None]
    may_be_gone: bool = False
    load: Callable[[Path], Mapping[str, Any]] = load_model_chunked
    suffix: str = ".pth"


_BACKGROUND = "saving in the background"
_CONTROL = "torch.save in place"
_MODES = {
    "saving": Mode(_save_anew, may_be_gone=True),
    "overwriting": Mode(_overwrite),
    _BACKGROUND: Mode(_overwrite),
    "overwriting safetensors": Mode(_overwrite, suffix=".safetensors"),
    "cleaning": Mode(_clean, may_be_gone=True),
    "removing": Mode(_remove, may_be_gone=True),
    "pruning": Mode(_prune, may_be_gone=True),
    _CONTROL: Mode(_torch_save, load=lambda path: dict(torch.load(path, weights_only=True))),
}


@chunkport_command("checkpoint-kills")
@click.option("--kills", type=click.IntRange(min=1), default=60, help="Of each mode.")
@click.option("--seed", type=int, default=0, help="Of the instants.")
def command(output: Output, *, kills: int, seed: int) -> int:
    """Kill every mode so often, and count what was found after."""
    torch.set_num_threads(1)  # a process with more threads must not fork
    instants = random.Random(seed)  # noqa: S311 - nothing secret about it
    rows: list[dict[str, Any]] = []
    with output.progress("killing", len(_MODES) * kills) as advance:
        for name, mode in _MODES.items():
            found: Counter[str] = Counter()
            for _ in range(kills):
                with tempfile.TemporaryDirectory() as folder:
                    found[_trial(name, mode, Path(folder), instants)] += 1
                advance()
            rows.append({"mode": name, **{outcome: found[outcome] for outcome in _OUTCOMES}})
    output.fact("machine", machine())
    output.table("kills", f"{kills} kills each", _COLUMNS, rows)
    ours = [row for row in rows if row["mode"] != _CONTROL]
    control = next(row for row in rows if row["mode"] == _CONTROL)
    bad = sum(row[outcome] for row in ours for outcome in _BAD)
    found_by_control = control["lost"] + control["mixed"]
    output.fact(
        "bad",
        bad,
        f"{len(ours) * kills} kills of ours: {bad} bad outcomes. {kills} of torch.save in place: "
        f"{found_by_control} lost.",
    )
    return 1 if bad or not found_by_control else 0


def _trial(name: str, mode: Mode, folder: Path, instants: random.Random) -> str:
    path = folder / f"model{mode.suffix}"
    if not mode.may_be_gone:
        mode.step(path, 0)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _work_until_killed(name, mode, path, writing)
    os.close(writing)
    os.read(reading, 1)  # its first step has begun
    time.sleep(instants.uniform(0, _LONGEST_WAIT_S))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    begun = 1 + len(_drain(reading))
    return _outcome(mode, folder, begun)


def _work_until_killed(name: str, mode: Mode, path: Path, reports: int) -> None:
    """Never returns: the process is killed, or ends at the first error."""
    try:
        with BackgroundSaver() as saver:
            mark = 1
            while True:
                os.write(reports, b".")
                if name == _BACKGROUND:
                    values = snapshot(_model(mark, _parts(mark)))

                    def save(values: dict[str, Any] = values) -> None:
                        save_model_chunked(values, path, _CAP_MB, announce=lambda _: None)

                    saver.submit(save)
                else:
                    mode.step(path, mark)
                mark += 1
    finally:
        sys.stderr.flush()
        os._exit(1)


def _drain(reading: int) -> bytes:
    with os.fdopen(reading, "rb") as stream:
        return stream.read()


def _outcome(mode: Mode, folder: Path, begun: int) -> str:
    """What the next call finds, of a process that had begun so many steps."""
    if any(entry.lacks for entry in in_trash(folder)):
        return "lost"
    ours = mode.load is load_model_chunked
    stems = {path.name.lstrip(".").partition(".")[0] for path in _files(folder)}
    found = [_read(mode, folder / f"{stem}{mode.suffix}", begun) for stem in sorted(stems)]
    bad = [outcome for outcome in found if outcome in _BAD]
    if bad:
        return bad[0]
    there = [outcome for outcome in found if outcome != "gone"]
    if not there and not mode.may_be_gone:
        return "lost"
    if ours:
        mains = (folder / f"{stem}{mode.suffix}" for stem in stems)
        expected = {file.name for main in mains if _is_there(main) for file in list_files(main)}
        if {path.name for path in _files(folder)} - expected:
            return "left over"
    return there[-1] if there else "gone"


def _read(mode: Mode, path: Path, begun: int) -> str:
    try:
        loaded = mode.load(path)
    except BadInputError:
        return "lost" if _is_there(path) else "gone"
    except Exception:  # noqa: BLE001 - torch.load's own, of many kinds
        return "lost"
    nets = (net for net in loaded.values() if isinstance(net, dict))
    marks = {value for net in nets for value in net["w"].unique().tolist()}
    if marks != {float(loaded["mark"])}:
        return "mixed"
    return "after" if loaded["mark"] == begun else "before"


def _is_there(path: Path) -> bool:
    return any(path.parent.glob(f"{path.stem}.*"))


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_file()]


if __name__ == "__main__":
    run(command)
