"""Saving and loading against torch's own: python benchmarks/checkpoint_speed.py [--large FILE].

Saves and loads a generator's training state and one as large as asked for, ours with every
integrity check and in chunks, in turns with torch.save and torch.load(mmap=False), and holds each
figure to its target. With --large, opens that checkpoint and reads single tensors of it; `python
benchmarks/made_weights.py chunkyseal -o FILE --chunk` makes one of 3 GB. Exits 1 when a target is
missed.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import torch

from checkpoints import load_model_chunked, open_checkpoint, save_model_chunked
from checkpoints.mapping import map_tensor
from checkpoints.streaming import TensorStream
from networks.gan import Discriminator, Generator
from scripts._cli import run
from scripts._options import CHECKPOINT, chunkport_command
from scripts._output import Column, Output, number
from verify.benchmark.machine import machine

_MIB = 1 << 20
_FIGURES = (
    Column("figure", "figure"),
    Column("value", "measured", number, right=True),
    Column("target", "target"),
    Column("met", "", lambda met: {True: "met", False: "MISSED", None: ""}[met]),
)


@chunkport_command("checkpoint-speed")
@click.option("--state-mib", type=click.IntRange(min=1), default=512, help="Of the larger state.")
@click.option("--rounds", type=click.IntRange(min=1), default=7, help="Turns for each.")
@click.option("--large", type=CHECKPOINT, help="A checkpoint to open and read one tensor of.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where to write; else the usual.")
def command(
    output: Output, *, state_mib: int, rounds: int, large: Path | None, folder: Path | None
) -> int:
    """Time saves, loads and openings of checkpoints."""
    figures: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        for name, state in (("GAN", _gan_state()), (f"{state_mib} MiB", _made_state(state_mib))):
            figures += _compare(name, state, Path(scratch), rounds)
    if large is not None:
        figures += _reading(large)
    output.fact("machine", machine())
    output.table("figures", f"checkpoints, {rounds} rounds", _FIGURES, figures)
    return 1 if any(figure["met"] is False for figure in figures) else 0


def _gan_state() -> dict[str, Any]:
    """The generator's training state at full size: networks and their optimizers."""
    state: dict[str, Any] = {"epoch": 1}
    for key, network in (("generator", Generator()), ("discriminator", Discriminator())):
        optimizer = torch.optim.Adam(network.parameters())
        for parameter in network.parameters():
            parameter.grad = torch.full_like(parameter, 0.01)
        optimizer.step()
        state[f"{key}_state_dict"] = network.state_dict()
        state[f"{key}_optimizer"] = optimizer.state_dict()
    return state


def _made_state(mib: int) -> dict[str, Any]:
    rows = 8 << 8  # of 8 MiB tensors
    return {"model": {f"layer{i}": torch.randn(rows, 1024) for i in range(max(mib // 8, 1))}}


def _compare(
    name: str, state: dict[str, Any], folder: Path, rounds: int
) -> Iterator[dict[str, Any]]:
    ours, theirs, synced = folder / "ours.pth", folder / "theirs.pth", folder / "synced.pth"
    runs: dict[str, Callable[[], object]] = {
        "ours saved": lambda: save_model_chunked(state, ours, announce=lambda _: None),
        "theirs saved": lambda: torch.save(state, theirs),
        "theirs saved and synced": lambda: _save_synced(state, synced),
        "ours loaded": lambda: load_model_chunked(ours),
        "theirs loaded": lambda: torch.load(theirs, weights_only=True, mmap=False),
    }
    times: dict[str, list[float]] = {key: [] for key in runs}
    for number_ in range(rounds + 1):
        for key, action in runs.items():
            os.sync()  # what one has written is not the next one's to wait for
            started = time.perf_counter()
            result = action()
            seconds = time.perf_counter() - started
            del result
            if number_:  # the first round warms up
                times[key].append(seconds)
    p50 = {key: statistics.median(seconds) for key, seconds in times.items()}
    mib = theirs.stat().st_size / _MIB
    for path in folder.iterdir():
        path.unlink()
    for key, seconds in p50.items():
        yield _figure(f"{name}: {key}, MiB/s", mib / seconds)
    yield _figure(f"{name}: save vs torch.save", p50["theirs saved"] / p50["ours saved"], 0.9)
    yield _figure(
        f"{name}: save vs torch.save and fsync",
        p50["theirs saved and synced"] / p50["ours saved"],
    )
    yield _figure(f"{name}: load vs torch.load", p50["theirs loaded"] / p50["ours loaded"], 1.0)


def _save_synced(state: dict[str, Any], path: Path) -> None:
    with path.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())


def _reading(path: Path) -> Iterator[dict[str, Any]]:
    openings = []
    for _ in range(10):
        started = time.perf_counter()
        checkpoint = open_checkpoint(path)
        openings.append(time.perf_counter() - started)
    tensors = sorted(checkpoint.tensors().items(), key=lambda entry: entry[1].size_bytes)
    total = sum(tensor.size_bytes for _, tensor in tensors)
    opened = statistics.median(openings) * 1e3
    yield _figure(f"open {total / _MIB:.0f} MiB, ms", opened, at_most=50)
    for name, tensor in (tensors[0], tensors[len(tensors) // 2], tensors[-1]):
        started = time.perf_counter()
        map_tensor(tensor, TensorStream()).sum()
        seconds = time.perf_counter() - started
        size = tensor.size_bytes / _MIB
        yield _figure(f"read {name} of {size:.3f} MiB, ms", seconds * 1e3)


def _figure(
    name: str, value: float, at_least: float | None = None, *, at_most: float | None = None
) -> dict[str, Any]:
    if at_most is not None:
        return {"figure": name, "value": value, "target": f"<= {at_most}", "met": value <= at_most}
    if at_least is not None:
        met = value >= at_least
        return {"figure": name, "value": value, "target": f">= {at_least}", "met": met}
    return {"figure": name, "value": value, "target": "", "met": None}


if __name__ == "__main__":
    run(command)
