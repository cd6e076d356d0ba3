"""How long a save keeps training waiting: written at once, and in the background.

    python benchmarks/background_saving.py

Saves the published GAN's whole training state (138 MiB) again and again, with as much training
between two saves as lets the one before finish; says how long each call took, and each step while
the disk was busy.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch

from checkpoints.model_facts import ModelFacts
from checkpoints.model_folder import ModelFolder, SaveAs
from train.gan_checkpoint import state_values
from train.gan_config import GanConfig
from train.gan_state import GanState, new_state, shipped_generator
from train.gan_step import train_step


def main() -> None:
    """Print one line for each way of saving."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--saves", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=2)
    parser.add_argument("--steps", type=int, default=8, help="Between two saves.")
    asked = parser.parse_args()
    state = new_state(GanConfig())
    real = torch.rand(asked.batch_size, 1, 128, 128) * 2 - 1
    train_step(state, real)  # the optimisers' moments are there from the first step on
    undisturbed = [_seconds_of_step(state, real) for _ in range(asked.steps)]
    print(f"a step without saving: {_median_ms(undisturbed)}")  # noqa: T201 - the result
    for background in (False, True):
        stalls, steps = _measure(state, real, asked.saves, asked.steps, background=background)
        way = "background" if background else "foreground"
        print(  # noqa: T201 - the result
            f"{way}: training waits {_median_ms(stalls)} a save; "
            f"a step between saves takes {_median_ms(steps)}"
        )


def _measure(
    state: GanState, real: torch.Tensor, saves: int, steps: int, *, background: bool
) -> tuple[list[float], list[float]]:
    stalls, between = [], []
    shipped = shipped_generator(state)
    with (
        tempfile.TemporaryDirectory() as folder,
        ModelFolder(
            Path(folder), background=background, announce=lambda _message: None
        ) as checkpoints,
    ):
        for number in range(saves):
            started = time.perf_counter()
            checkpoints.save(
                state_values(state, shipped),
                ModelFacts(step=number),
                [SaveAs("latest_model.pth", "latest")],
            )
            stalls.append(time.perf_counter() - started)
            between += [_seconds_of_step(state, real) for _ in range(steps)]
    return stalls, between


def _seconds_of_step(state: GanState, real: torch.Tensor) -> float:
    started = time.perf_counter()
    train_step(state, real)
    return time.perf_counter() - started


def _median_ms(seconds: list[float]) -> str:
    return f"{statistics.median(seconds) * 1000:.0f} ms (most {max(seconds) * 1000:.0f})"


if __name__ == "__main__":
    main()
