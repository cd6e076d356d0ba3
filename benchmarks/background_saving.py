"""How long a save keeps training waiting: python benchmarks/background_saving.py.

Saves the published GAN's whole training state (138 MiB) again and again, at once and in the
background, with as much training between two saves as lets the one before finish. Tells how long
each call took, and each step while the disk was busy.
"""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import torch

from checkpoints.model_facts import ModelFacts
from checkpoints.model_folder import ModelFolder, SaveAs
from scripts._cli import run
from scripts._options import chunkport_command
from scripts._output import Column, Output, number
from train.gan_checkpoint import state_values
from train.gan_config import GanConfig
from train.gan_state import GanState, new_state, shipped_generator
from train.gan_step import train_step
from verify.benchmark.machine import machine

_COLUMNS = (
    Column("way", "saving"),
    Column("wait_p50_ms", "training waits ms", number, right=True),
    Column("wait_max_ms", "at most", number, right=True),
    Column("step_p50_ms", "a step takes ms", number, right=True),
    Column("step_max_ms", "at most", number, right=True),
)


@chunkport_command("background-saving")
@click.option("--saves", type=click.IntRange(min=1), default=5, help="Of each way.")
@click.option("--batch-size", type=click.IntRange(min=1), default=2, help="Pictures per step.")
@click.option("--steps", type=click.IntRange(min=1), default=8, help="Between two saves.")
def command(output: Output, *, saves: int, batch_size: int, steps: int) -> None:
    """Measure each way of saving, and training without any."""
    state = new_state(GanConfig())
    real = torch.rand(batch_size, 1, 128, 128) * 2 - 1
    train_step(state, real, step=0)  # the optimisers' moments are there from the first step on
    undisturbed = [_seconds_of_step(state, real) for _ in range(steps)]
    rows = [_row("none", [], undisturbed)]
    for background in (False, True):
        way = "in the background" if background else "at once"
        rows.append(_row(way, *_measure(state, real, saves, steps, background=background)))
    output.fact("machine", machine())
    output.table("ways", f"{saves} saves of 138 MiB each", _COLUMNS, rows)


def _measure(
    state: GanState, real: torch.Tensor, saves: int, steps: int, *, background: bool
) -> tuple[list[float], list[float]]:
    """Seconds of each save's call, and of each step between."""
    waits: list[float] = []
    between: list[float] = []
    shipped = shipped_generator(state, epoch=0)
    with (
        tempfile.TemporaryDirectory() as folder,
        ModelFolder(
            Path(folder), background=background, announce=lambda _message: None
        ) as checkpoints,
    ):
        for step in range(saves):
            started = time.perf_counter()
            checkpoints.save(
                state_values(state, shipped),
                ModelFacts(step=step),
                [SaveAs("latest_model.pth", "latest")],
            )
            waits.append(time.perf_counter() - started)
            between += [_seconds_of_step(state, real) for _ in range(steps)]
    return waits, between


def _seconds_of_step(state: GanState, real: torch.Tensor) -> float:
    started = time.perf_counter()
    train_step(state, real, step=0)
    return time.perf_counter() - started


def _row(way: str, waits: list[float], steps: list[float]) -> dict[str, Any]:
    return {
        "way": way,
        "wait_p50_ms": statistics.median(waits) * 1e3 if waits else None,
        "wait_max_ms": max(waits) * 1e3 if waits else None,
        "step_p50_ms": statistics.median(steps) * 1e3,
        "step_max_ms": max(steps) * 1e3,
    }


if __name__ == "__main__":
    run(command)
