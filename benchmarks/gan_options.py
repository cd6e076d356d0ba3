"""What each option of the GAN's recipe is worth: python benchmarks/gan_options.py.

Trains the demo's recipe with each option alone, on the same pictures, in the same order, from the
same seed, for the same number of steps, and tells how far what it then draws is from pictures that
no run saw: KID with its 95% interval, and the share of a checkerboard in their spectrum. What a
step costs is processor time of one thread, of steps that take turns; 1 is the recipe's own.
"""

import shlex
import statistics
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray

from networks.fruit_features import fruit_features
from networks.quality.set_distance import chance_kid, paired_kid
from networks.quality.spectrum import checkerboard_share
from scripts._cli import run
from scripts._gan_recipe import recipe_by_flags
from scripts._options import FOLDER, chunkport_command
from scripts._output import Column, Output, number
from scripts.train_gan import command as train_gan
from train.fruits import fruit_drawings
from train.gan_config import PROFILES, GanConfig
from train.gan_state import GanState, new_state, shipped_generator
from train.gan_step import train_step
from train.images import to_unit_range
from train.samples import write_grid

_DEMO = PROFILES["demo"]
_TURNS = 16  # of which one has the R1 penalty
_LAST = 50  # steps over which answers are averaged
_BATCH = 100
_UNSEEN = 1_000_000  # seed of the pictures that are compared with
_RECIPE = "the demo's recipe"
OPTIONS = (
    "--upsampling resize",
    "--upsampling transposed-4",
    "--diffaugment translation,cutout,brightness",
    "--spectral-norm",
    "--r1-gamma 1",
    "--r1-gamma 1 --upsampling transposed-4",
    "--loss hinge",
    "--input-noise 0.1",
    "--clip-gradients 1",
    "--dropout 0",
    "--real-label 1",
    "--average-decay 0",
    "--beta1 0",
    "--initial-std 0.01",
)
"""Flags of train-gan."""
_COLUMNS = (
    Column("option", "option"),
    Column("kid", "KID", number, right=True),
    Column("interval", "95% interval"),
    Column("checkerboard", "checkerboard", number, right=True),
    Column("d_real", "D(real)", number, right=True),
    Column("d_fake", "D(fake)", number, right=True),
    Column("step_cost", "step", number, right=True),
)


@chunkport_command("gan-options")
@click.option("--steps", type=click.IntRange(min=1), default=300, help="Of each run.")
@click.option("--width", type=click.IntRange(min=1), default=16, help="Channels next to the image.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Of every run.")
@click.option("--pictures", type=click.IntRange(min=100), default=1000, help="Compared, of a run.")
@click.option("--only", multiple=True, help="These flags of train-gan, in quotes, in place of all.")
@click.option("-o", "--output-dir", type=FOLDER, help="Where a grid of each goes.")
def command(
    output: Output,
    *,
    steps: int,
    width: int,
    seed: int,
    pictures: int,
    only: tuple[str, ...],
    output_dir: Path | None,
) -> None:
    """Train with each option alone, and compare what comes of it."""
    torch.set_num_threads(1)
    base = replace(_DEMO.config, width=width, seed=seed)
    configs = {_RECIPE: base, **{flags: _changed(base, flags) for flags in only or OPTIONS}}
    images = _drawn(_DEMO.images_per_class, seed)
    others = to_unit_range(_drawn(pictures // len(_DEMO.classes), _UNSEEN)).numpy()
    unseen = fruit_features(others)
    chance, share = chance_kid(unseen, seed), checkerboard_share(others)
    output.fact("chance_kid", chance, f"KID by chance, of half as many pictures: {chance:.2g}")
    output.fact("checkerboard", share, f"checkerboard of the pictures themselves: {share:.2g}")
    costs = _costs(configs, images)
    rows: list[dict[str, Any]] = []
    for name, config in configs.items():
        grid = None if output_dir is None else output_dir / f"{name.replace(' ', '_')}.png"
        outcome = _outcome(config, images, unseen, steps, grid)
        rows.append({"option": name, **outcome, "step_cost": costs[name]})
        output.note(f"{name}: KID {outcome['kid']:.3g}, {outcome['interval']}")
    title = f"{steps} steps of {base.batch_size} pictures, width {width}, seed {seed}"
    output.table("options", title, _COLUMNS, rows)


def _changed(config: GanConfig, flags: str) -> GanConfig:
    """The config as these flags of train-gan change it."""
    return recipe_by_flags(config, train_gan.make_context("train-gan", shlex.split(flags)).params)


def _drawn(per_class: int, seed: int) -> torch.Tensor:
    """Pictures (N, 1, 128, 128) uint8 of the demo's fruit."""
    drawings = fruit_drawings(Path(), per_class, seed, _DEMO.classes)
    return torch.from_numpy(np.stack([draw(of) for draw, of in drawings.values()]))[:, None]


def _costs(configs: Mapping[str, GanConfig], images: torch.Tensor) -> dict[str, float]:
    """Processor time of each one's step, as a share of the first one's."""
    states = {name: new_state(config) for name, config in configs.items()}
    real = to_unit_range(images[: _DEMO.config.batch_size])
    taken: dict[str, list[float]] = {name: [] for name in states}
    for turn in range(-1, _TURNS):  # the first one warms up
        for name, state in states.items():
            started = time.process_time()
            train_step(state, real, max(turn, 0))
            taken[name].append(time.process_time() - started)
    means = {name: statistics.fmean(times[1:]) for name, times in taken.items()}
    return {name: mean / next(iter(means.values())) for name, mean in means.items()}


def _outcome(
    config: GanConfig,
    images: torch.Tensor,
    unseen: NDArray[np.float32],
    steps: int,
    grid: Path | None,
) -> dict[str, Any]:
    """Train so many steps, and judge what the shipped generator draws."""
    state = new_state(config)
    last = _trained(state, images, steps)[-_LAST:]
    generator = shipped_generator(state, epoch=0).eval()
    source = torch.Generator().manual_seed(config.seed)
    latents = torch.randn(len(unseen), config.noise_dim, generator=source)
    if grid is not None:
        write_grid(generator, latents[:64], grid)
    with torch.inference_mode():
        parts = [generator(part) for part in torch.split(latents, _BATCH)]
    pictures = torch.cat(parts).numpy()
    kid = paired_kid(unseen, fruit_features(pictures))
    return {
        "kid": kid.value,
        "interval": f"{kid.lowest:.3g} to {kid.highest:.3g}",
        "checkerboard": checkerboard_share(pictures),
        "d_real": statistics.fmean(step["D_real"] for step in last),
        "d_fake": statistics.fmean(step["D_fake"] for step in last),
    }


def _trained(state: GanState, images: torch.Tensor, steps: int) -> list[dict[str, float]]:
    """What each step measured; the order of the images depends on the seed alone."""
    seed, size = state.config.seed, state.config.batch_size
    order = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    figures: list[dict[str, float]] = []
    while True:
        for chosen in torch.split(torch.randperm(len(images), generator=order), size):
            if len(figures) == steps:
                return figures
            real = to_unit_range(images[chosen])
            figures.append(train_step(state, real, len(figures)))


if __name__ == "__main__":
    run(command)
