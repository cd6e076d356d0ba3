"""Kill GAN training at random instants, and resume it: python benchmarks/training_kills.py.

An unbroken run tells the SHA-256 of its networks after every batch. The same run is then killed
with SIGKILL at random instants, within epochs and saves too, and goes on from its newest
checkpoint, again and again; whatever it computes must be what the unbroken run did, bit for bit,
and so must all that its last checkpoint holds. The last way rounds the weights on resuming, to
show that the harness finds differences. Needs fork, so not for Windows. Exits 1 where one of ours
differs, where files are left over, or where the rounded one does not differ.
"""

import hashlib
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

import click
import numpy as np
import torch

from checkpoints import load_model_chunked
from scripts._cli import run
from scripts._options import chunkport_command
from scripts._output import Column, Output, number
from train.fruits import render_fruit
from train.gan import gan_run
from train.gan_config import PROFILES, GanConfig
from train.loop import BatchReport, train
from train.run import Run
from train.saving import Saving
from verify.benchmark.machine import machine

_KEPT = 2
_SAVING = Saving(max_chunk_mb=0.25, every_epochs=2, every_steps=2, keep_top_k=_KEPT)
_Batch: TypeAlias = tuple[int, int]


@dataclass(frozen=True)
class _Way:
    """A way of training, and whether its weights are rounded on resuming."""

    mixed_precision: str
    background: bool
    rounds: bool = False


_CONTROL = "rounded on resuming"
_WAYS = {
    "float32": _Way("no", background=False),
    "float32, saved in the background": _Way("no", background=True),
    "bfloat16": _Way("bf16", background=False),
    "bfloat16, saved in the background": _Way("bf16", background=True),
    _CONTROL: _Way("no", background=False, rounds=True),
}
_COLUMNS = (
    Column("way", "trained"),
    Column("kills", "kills", right=True),
    Column("same", "resumed to the same bits", right=True),
    Column("within_epochs", "of them within an epoch", right=True),
    Column("most_batches_lost", "most batches lost", right=True),
    Column("ends", "ends", right=True),
    Column("same_ends", "at the same bits", right=True),
    Column("left_over", "files left over", right=True),
    Column("seconds", "seconds", number, right=True),
)


@dataclass
class _Found:
    """What the kills of one way led to."""

    kills: int = 0
    same: int = 0
    within_epochs: int = 0
    most_batches_lost: int = 0
    ends: int = 0
    same_ends: int = 0
    left_over: int = 0


@chunkport_command("training-kills")
@click.option("--kills", type=click.IntRange(min=1), default=10, help="Of each way.")
@click.option(
    "--way", "chosen", type=click.Choice([*_WAYS]), multiple=True, help="Only these ways."
)
@click.option("--epochs", type=click.IntRange(min=1), default=5, help="Of each run.")
@click.option("--pictures", type=click.IntRange(min=4), default=14, help="Of an epoch.")
@click.option("--batch-size", type=click.IntRange(min=2), default=4, help="Pictures per step.")
@click.option("--width", type=click.IntRange(min=1), default=2, help="Of the networks.")
@click.option("--seed", type=int, default=0, help="Of the instants.")
def command(
    output: Output,
    *,
    kills: int,
    chosen: tuple[str, ...],
    epochs: int,
    pictures: int,
    batch_size: int,
    width: int,
    seed: int,
) -> int:
    """Kill every way of training so often, and count what goes on to the same bits."""
    torch.set_num_threads(1)  # a process with more threads must not fork
    instants = random.Random(seed)  # noqa: S311 - nothing secret about it
    shown = np.stack([render_fruit("Pear", number) for number in range(pictures)])
    images = torch.from_numpy(shown)[:, None]
    config = replace(
        PROFILES["demo"].config,
        epochs=epochs,
        batch_size=batch_size,
        width=width,
        noise_dim=8,
        sample_every=epochs,
    )
    gan_run(config, images)  # imports what every process would
    rows: list[dict[str, Any]] = []
    ways = {name: way for name, way in _WAYS.items() if name in (chosen or _WAYS)}
    with output.progress("killing", len(ways)) as advance:
        for name, way in ways.items():
            started = time.perf_counter()
            trial = _Trial(way, replace(config, mixed_precision=way.mixed_precision), images)
            with tempfile.TemporaryDirectory() as folder:
                found = trial.kill(kills, Path(folder), instants)
            seconds = time.perf_counter() - started
            rows.append({"way": name, **vars(found), "seconds": seconds})
            advance()
    output.fact("machine", machine())
    output.table("kills", f"{kills} kills each", _COLUMNS, rows)
    ours = [row for row in rows if row["way"] != _CONTROL]
    same = sum(row["same"] for row in ours)
    output.fact("same", same, f"{len(ours) * kills} kills of ours: {same} resumed to the same bits")
    sound = all(
        row["same"] == row["kills"] and row["same_ends"] == row["ends"] and not row["left_over"]
        for row in ours
    )
    control_differs = all(not row["same_ends"] for row in rows if row["way"] == _CONTROL)
    return 0 if sound and control_differs else 1


@dataclass(frozen=True)
class _Trial:
    """What is trained, in what way."""

    way: _Way
    config: GanConfig
    images: torch.Tensor

    def kill(self, kills: int, folder: Path, instants: random.Random) -> _Found:
        """Run once without a break, then break runs until there are so many kills."""
        began = time.perf_counter()
        expected, ended = self._train_until(folder / "whole", None)
        window = (time.perf_counter() - began) / kills
        assert ended, "the unbroken run failed; its traceback is above"
        end = _digest(load_model_chunked(folder / "whole" / "models" / "latest_model.pth"))
        found = _Found()
        while found.kills < kills or not found.ends:
            broken = folder / f"broken_{found.ends}"
            ended, after_a_kill = False, False
            while not ended:
                newest = _newest(broken)
                instant = instants.uniform(0, window) if found.kills < kills else None
                told, ended = self._train_until(broken, instant)
                if after_a_kill:
                    first = min(told, default=(0, 0))
                    found.within_epochs += first[1] > 1
                    found.same += told.items() <= expected.items() and bool(told)
                if after_a_kill := not ended:
                    found.kills += 1
                    reached = newest[0] + len(told)
                    lost = reached - _newest(broken)[0]
                    found.most_batches_lost = max(found.most_batches_lost, lost)
            found.ends += 1
            models = broken / "models"
            found.same_ends += _digest(load_model_chunked(models / "latest_model.pth")) == end
            found.left_over += _left_over(models)
        return found

    def _train_until(self, folder: Path, instant: float | None) -> tuple[dict[_Batch, str], bool]:
        """The digest after every batch of a process that goes on in the folder, and if it ended.

        It is killed so many seconds after its first batch, or not at all.
        """
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            self._train(folder, writing)
        os.close(writing)
        with os.fdopen(reading, "r", encoding="ascii") as reports:
            said = reports.readline()
            if instant is not None:
                time.sleep(instant)
                os.kill(child, signal.SIGKILL)
            said += reports.read()
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0:
            raise RuntimeError("a training process failed; its traceback is above")
        lines = [line.split() for line in said.splitlines()]
        return {(int(epoch), int(batch)): digest for epoch, batch, digest in lines}, status == 0

    def _train(self, folder: Path, reports: int) -> NoReturn:
        """Never returns: the process trains to the end, or is killed."""
        try:
            gan: Run[Any] = gan_run(self.config, self.images)

            def tell(report: BatchReport) -> None:
                digest = _digest([network.state_dict() for network in gan.networks])
                os.write(reports, f"{report.epoch} {report.batch} {digest}\n".encode())

            def restore_rounded(values: Mapping[str, Any]) -> None:
                gan.restore(values)
                _round(gan)

            train(
                replace(
                    gan,
                    restore=restore_rounded if self.way.rounds else gan.restore,
                    panels=(),  # no curves: drawing them takes longer than training
                ),
                self.images,
                folder,
                resume=_newest(folder)[1],
                saving=replace(_SAVING, background=self.way.background),
                on_batch=tell,
            )
            os._exit(0)
        except BaseException:  # noqa: BLE001 - whatever it is, the parent must hear of it
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)


@torch.no_grad()
def _round(gan: Run[Any]) -> None:
    for network in gan.networks:
        for weight in network.parameters():
            weight.copy_(weight.bfloat16())


def _checkpoints(models: Path) -> list[Path]:
    return [path for path in models.glob("*.pth") if ".chunk_" not in path.name]


def _newest(folder: Path) -> tuple[int, Path | None]:
    """The checkpoint with the most steps behind it, and how many; all of them must load."""
    steps = {
        path: int(load_model_chunked(path)["global_step"])
        for path in _checkpoints(folder / "models")
    }
    newest = max(steps, key=steps.__getitem__, default=None)
    return (steps[newest], newest) if newest else (0, None)


def _left_over(models: Path) -> int:
    """Files of interrupted saves, and checkpoints within epochs beyond those that stay."""
    hidden = [path for path in models.iterdir() if path.name.startswith(".")]
    steps = [path for path in _checkpoints(models) if path.name.startswith("checkpoint_step_")]
    return len(hidden) + max(0, len(steps) - _KEPT)


def _digest(values: Any) -> str:
    """SHA-256 of all that nested values hold, tensors with their bytes, types and shapes."""
    digest = hashlib.sha256()
    _add(digest, values)
    return digest.hexdigest()


def _add(digest: "hashlib._Hash", values: Any) -> None:
    if isinstance(values, Mapping):
        for key in sorted(values, key=str):
            digest.update(f"{key}:".encode())
            _add(digest, values[key])
    elif isinstance(values, list | tuple):
        for value in values:
            _add(digest, value)
    elif isinstance(values, torch.Tensor):
        digest.update(f"{values.dtype} {tuple(values.shape)}".encode())
        digest.update(values.detach().reshape(-1).contiguous().view(torch.uint8).numpy().tobytes())
    else:
        digest.update(f"{values!r};".encode())


if __name__ == "__main__":
    run(command)
