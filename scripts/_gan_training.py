"""What the commands that train the GAN share: their flags, and a run by them."""

import os
import shlex
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scripts._fruit_classes import draw_and_classify
from scripts._fruit_pictures import picture_options, read_to_train_on
from scripts._gan_epochs import epoch_lines, measured, show_signs
from scripts._gan_recipe import RECIPE, recipe_by_flags
from scripts._options import FOLDER
from scripts._output import Column, Output, number
from scripts._training import (
    Shown,
    chosen_saving,
    draw_pictures,
    refuse_output_among,
    show_training,
    training_options,
)

if TYPE_CHECKING:
    from train.gan_config import Profile

_SHOWN = Shown(
    columns=(
        Column("epoch", "epoch", right=True),
        Column("d_loss", "D loss", number, right=True),
        Column("g_loss", "G loss", number, right=True),
        Column("d_real", "D(real)", number, right=True),
        Column("d_fake", "D(fake)", number, right=True),
        Column("kid", "KID", measured, right=True),
    ),
    note=lambda step: f"D {step['D_loss']:.2f} G {step['G_loss']:.2f}",
    inference="Generators for use",
    samples="Pictures after each epoch",
    epoch_lines=epoch_lines,
)


def gan_options(
    *, output_dir: str | Callable[[], str] = ".", shown_dir: str | bool = True
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the flags that `train_by_flags` takes.

    `output_dir` is the folder without `--output-dir`, `shown_dir` what the help says of it.
    """
    places = (
        click.option(
            "--profile",
            type=click.Choice(["standard", "demo"]),
            default="standard",
            help="standard: the published size, for a GPU; demo: small, minutes on two cores.",
        ),
        click.option(
            "-o",
            "--output-dir",
            type=FOLDER,
            default=output_dir,
            show_default=shown_dir,
            help="Where models/ goes.",
        ),
        click.option(
            "--device",
            default="auto",
            help="auto, cpu, cuda, cuda:1 or mps; auto is a GPU by CUDA where there is one.",
        ),
    )
    saving = training_options(
        ("kid", "d-fake", "d-loss", "g-loss"),
        "What makes a checkpoint the best: how near its pictures are to the real ones (KID), or "
        "D(fake) near 0.5, or a loss, none of which looks at pictures.",
    )

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        function = saving(function)
        for option in reversed((*places, *RECIPE)):
            function = option(function)
        return picture_options(function)

    return decorate


def train_by_flags(
    output: Output,
    profile: "Profile",
    *,
    data_dir: Path | None,
    group_by_fruit: bool | None,
    skip_bad_files: bool,
    output_dir: Path,
    resume: Path | None,
    num_threads: int | None,
    device: str = "auto",
    only: str | None = None,
    **flags: Any,
) -> None:
    """Train by the profile as the flags of `gan_options` change it, and say what it leaves.

    `only` names the one class of pictures to train on. Of several processes that a launcher started
    the first alone says something.
    """
    import torch

    from train.fruits import fruit_drawings
    from train.gan import train_gan
    from train.gan_criteria import CRITERIA
    from train.processes import joined_processes

    if num_threads:
        torch.set_num_threads(num_threads)
    config = recipe_by_flags(profile.config, flags)
    saving = chosen_saving(profile.max_chunk_mb, CRITERIA, **flags)
    refuse_output_among(data_dir, output_dir)
    folder = data_dir or output_dir / "preprocessed_images"
    with joined_processes(device) as processes:
        if not processes.first:
            output.hush()
        if data_dir is None and processes.first_here:
            kinds = profile.classes if only is None else (only,)
            fruit = fruit_drawings(folder, profile.images_per_class, config.seed, kinds)
            if not draw_pictures(output, folder, fruit, f"pictures ({', '.join(kinds)})"):
                output.warn(
                    f"{folder} holds other pictures than the {len(fruit)} that this run would draw "
                    f"({', '.join(kinds)}), and it trains on those; to have these, choose another "
                    "--output-dir"
                )
        processes.wait()
        images = read_to_train_on(
            output, folder, only, group_by_fruit=group_by_fruit, skip_bad_files=skip_bad_files
        ).images
        _warn_of_the_launchers_precision(output, config.mixed_precision)
        by = f", {processes.count} processes" if processes.count > 1 else ""
        output.note(
            f"Training on {len(images)} pictures from {folder}, {config.epochs} epochs{by}."
        )
        train = partial(
            train_gan,
            images,
            config,
            output_dir,
            resume=resume,
            saving=saving,
            processes=processes,
        )
        if not processes.first:
            train()
            return
        result = show_training(output, train, config, flags["metric"], _SHOWN)
    chosen = result.best or result.checkpoint
    show_signs(output, result.signs)
    draw_and_classify(output, chosen, config.seed)
    output.next_step(f"chunkport generate-images --model {shlex.quote(str(chosen))} --num 50")


def _warn_of_the_launchers_precision(output: Output, chosen: str) -> None:
    """What `accelerate launch` was given under the same name changes nothing."""
    launched = os.environ.get("ACCELERATE_MIXED_PRECISION", "no")
    if launched not in {"no", chosen}:
        output.warn(
            f"mixed precision {launched} was asked of the launcher, and the training computes in "
            f"{chosen}; give --mixed-precision to train-gan"
        )
