"""What the commands that train the GAN share: their flags, and a run by them."""

import shlex
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scripts._gan_epochs import epoch_lines, measured, show_classes, show_signs
from scripts._gan_recipe import RECIPE, recipe_by_flags
from scripts._options import FOLDER
from scripts._output import Column, Output, number
from scripts._training import (
    Shown,
    chosen_saving,
    draw_pictures,
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
    *, output_dir: str | None = ".", shown_dir: str | bool = True
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
            "--data-dir",
            type=FOLDER,
            help="Pictures as CLASS/*.png; without it, fruit is drawn into "
            "OUTPUT_DIR/preprocessed_images.",
        ),
        click.option(
            "-o",
            "--output-dir",
            type=FOLDER,
            default=output_dir,
            show_default=shown_dir,
            help="Where models/ goes.",
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
        return function

    return decorate


def train_by_flags(
    output: Output,
    profile: "Profile",
    *,
    data_dir: Path | None,
    output_dir: Path,
    resume: Path | None,
    num_threads: int | None,
    only: str | None = None,
    **flags: Any,
) -> None:
    """Train by the profile as the flags of `gan_options` change it, and say what it leaves.

    `only` names the one class of pictures to train on.
    """
    import torch

    from train.fruits import fruit_drawings
    from train.gan import train_gan
    from train.gan_criteria import CRITERIA
    from train.images import load_images

    if num_threads:
        torch.set_num_threads(num_threads)
    config = recipe_by_flags(profile.config, flags)
    saving = chosen_saving(profile.max_chunk_mb, CRITERIA, **flags)
    folder = data_dir or output_dir / "preprocessed_images"
    if data_dir is None:
        kinds = profile.classes if only is None else (only,)
        fruit = fruit_drawings(folder, profile.images_per_class, config.seed, kinds)
        # Other pictures that lie there already are taken as they are.
        draw_pictures(output, folder, fruit, f"pictures ({', '.join(kinds)})")
    images = load_images(folder, only).images
    output.note(f"Training on {len(images)} pictures from {folder}, {config.epochs} epochs.")
    train = partial(
        train_gan,
        images,
        config,
        output_dir,
        resume=resume,
        saving=saving,
        device="cuda" if torch.cuda.is_available() else "cpu",
    )
    result = show_training(
        output, train, config.epochs, flags["metric"], _SHOWN, output_dir / "models"
    )
    show_signs(output, result.signs)
    show_classes(output, result.best or result.final, config.seed)
    output.next_step(
        f"chunkport convert {shlex.quote(str(result.checkpoint))} --model gan-generator "
        "--precision fp32 --precision fp16 --precision int8"
    )
