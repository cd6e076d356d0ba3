"""What the commands that train the GAN share: the recipe's flags, and a run by them."""

import shlex
from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

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
    from train.gan_config import GanConfig, Profile

_SHOWN = Shown(
    columns=(
        Column("epoch", "epoch", right=True),
        Column("d_loss", "D loss", number, right=True),
        Column("g_loss", "G loss", number, right=True),
        Column("d_real", "D(real)", number, right=True),
        Column("d_fake", "D(fake)", number, right=True),
    ),
    note=lambda step: f"D {step['D_loss']:.2f} G {step['G_loss']:.2f}",
    inference="Generators for use",
    samples="Pictures after each epoch",
)
_RECIPE = (
    click.option("--epochs", type=int, help="Passes over the pictures, in all."),
    click.option("--batch-size", type=int, help="Pictures per step."),
    click.option("--learning-rate", type=float, help="Adam's, for both networks."),
    click.option(
        "--discriminator-rate", type=float, help="The discriminator's own, where it is another."
    ),
    click.option("--noise-dim", type=int, help="Numbers in a latent."),
    click.option("--width", type=int, help="Channels next to the image; 64 is the published size."),
    click.option(
        "--real-label", type=float, help="What is asked of the discriminator for a real picture."
    ),
    click.option(
        "--average-decay",
        type=float,
        help="How slowly the shipped average follows the generator; 0 ships it as it is.",
    ),
    click.option(
        "--mixed-precision",
        type=click.Choice(["no", "bf16"]),
        help="bf16: convolutions in bfloat16, faster where the processor has it.",
    ),
    click.option("--sample-every", type=int, help="Epochs between sample pictures."),
    click.option("--seed", type=int, help="Of the weights, the order and the drawn pictures."),
)
"""The names of these flags are those of the fields of `train.gan_config.GanConfig`."""


def gan_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the flags that `train_by_flags` takes."""
    decorate = training_options(
        ("d-fake", "d-loss", "g-loss"),
        "What makes a checkpoint the best: D(fake) near 0.5, or a loss. None looks at pictures.",
    )
    function = decorate(function)
    places = (
        click.option(
            "--data-dir",
            type=FOLDER,
            help="Pictures as CLASS/*.png; without it, fruit is drawn into "
            "OUTPUT_DIR/preprocessed_images.",
        ),
        click.option("-o", "--output-dir", type=FOLDER, default=".", help="Where models/ goes."),
    )
    for option in reversed((*places, *_RECIPE)):
        function = option(function)
    return function


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
    from train.gan_config import GanConfig
    from train.gan_criteria import CRITERIA
    from train.images import load_images

    if num_threads:
        torch.set_num_threads(num_threads)
    names = {field.name for field in fields(GanConfig)}
    config = _with_flags(profile.config, {name: flags.pop(name) for name in names & flags.keys()})
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
    result = show_training(output, train, config, flags["metric"], _SHOWN)
    output.next_step(
        f"chunkport convert {shlex.quote(str(result.checkpoint))} --model gan-generator "
        "--precision fp32 --precision fp16 --precision int8"
    )


def _with_flags(config: "GanConfig", flags: dict[str, Any]) -> "GanConfig":
    given = {name: value for name, value in flags.items() if value is not None}
    if "learning_rate" in given:
        given.setdefault("discriminator_rate", given["learning_rate"])
    return replace(config, **given)
