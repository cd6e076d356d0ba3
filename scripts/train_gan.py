"""`chunkport train-gan`: train the fruit GAN and leave a chunked checkpoint after every epoch."""

import shlex
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scripts._options import FOLDER, chunkport_command
from scripts._output import Column, Output, number
from scripts._training import Shown, chosen_saving, show_training, training_options

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


@chunkport_command("train-gan")
@click.option(
    "--profile",
    type=click.Choice(["standard", "demo"]),
    default="standard",
    help="standard: the published size, for a GPU; demo: small, minutes on two cores.",
)
@click.option(
    "--data-dir",
    type=FOLDER,
    help="Pictures as CLASS/*.png; without it, fruit is drawn into OUTPUT_DIR/preprocessed_images.",
)
@click.option("-o", "--output-dir", type=FOLDER, default=".", help="Where models/ goes.")
@click.option("--epochs", type=int, help="Passes over the pictures, in all.")
@click.option("--batch-size", type=int, help="Pictures per step.")
@click.option("--learning-rate", type=float, help="Adam's, for both networks.")
@click.option("--noise-dim", type=int, help="Numbers in a latent.")
@click.option("--width", type=int, help="Channels next to the image; 64 is the published size.")
@click.option("--seed", type=int, help="Of the weights, the order and the drawn pictures.")
@training_options(
    ("d-fake", "d-loss", "g-loss"),
    "What makes a checkpoint the best: D(fake) near 0.5, or a loss. None looks at pictures.",
)
def command(
    output: Output,
    profile: str,
    data_dir: Path | None,
    output_dir: Path,
    epochs: int | None,
    batch_size: int | None,
    learning_rate: float | None,
    noise_dim: int | None,
    width: int | None,
    seed: int | None,
    resume: Path | None,
    num_threads: int | None,
    **saving_flags: Any,
) -> None:
    """Train the GAN of 128x128 grayscale fruit.

    After every epoch models/latest_model.pth is replaced, in chunks where it is above the cap;
    training can be stopped at any time and resumed to the same result. best_model.pth,
    final_gan.pth and checkpoint_epoch_010.pth, ... are whole checkpoints too; models_index.json
    lists them, and inference/ holds the best and the final generator for use. While it trains,
    training_progress/curves.png shows the losses and answers of all epochs so far.
    """
    import torch

    from train.gan import train_gan
    from train.gan_config import PROFILES
    from train.gan_criteria import CRITERIA
    from train.images import load_images

    if num_threads:
        torch.set_num_threads(num_threads)
    chosen = PROFILES[profile]
    config = _with_flags(
        chosen.config,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        noise_dim=noise_dim,
        width=width,
        seed=seed,
    )
    saving = chosen_saving(chosen.max_chunk_mb, CRITERIA, **saving_flags)
    folder = data_dir or output_dir / "preprocessed_images"
    if data_dir is None and not folder.exists():
        _draw(output, folder, chosen, config.seed)
    images = load_images(folder).images
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
    result = show_training(output, train, config.epochs, saving_flags["metric"], _SHOWN)
    output.next_step(
        f"chunkport convert {shlex.quote(str(result.checkpoint))} --model gan-generator "
        "--precision fp32 --precision fp16 --precision int8"
    )


def _with_flags(config: "GanConfig", **flags: float | None) -> "GanConfig":
    given = {name: value for name, value in flags.items() if value is not None}
    if "learning_rate" in given:
        given["discriminator_rate"] = given["learning_rate"]
    return replace(config, **given)  # type: ignore[arg-type]  # each flag has its field's type


def _draw(output: Output, folder: Path, profile: "Profile", seed: int) -> None:
    from train.fruits import write_fruit_images

    total = profile.images_per_class * len(profile.classes)
    output.note(f"Drawing {total} pictures ({', '.join(profile.classes)}) into {folder}.")
    with output.progress("drawing", total=total) as advance:
        write_fruit_images(
            folder,
            profile.images_per_class,
            seed,
            lambda _done, _total: advance(),
            classes=profile.classes,
        )


if __name__ == "__main__":
    from scripts._cli import run

    run(command)
