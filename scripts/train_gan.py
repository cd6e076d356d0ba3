"""`chunkport train-gan`: train the fruit GAN and leave a chunked checkpoint after every epoch."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from scripts._options import CHECKPOINT, FOLDER, chunkport_command
from scripts._output import Column, Output, number

if TYPE_CHECKING:
    from train.gan import BatchReport, EpochReport
    from train.gan_config import GanConfig, Profile

_COLUMNS = (
    Column("epoch", "epoch", right=True),
    Column("d_loss", "D loss", number, right=True),
    Column("g_loss", "G loss", number, right=True),
    Column("d_real", "D(real)", number, right=True),
    Column("d_fake", "D(fake)", number, right=True),
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
@click.option("--resume", type=CHECKPOINT, help="Go on from this checkpoint.")
@click.option("--max-chunk-mb", type=float, help="Largest file of a checkpoint, in MiB.")
@click.option(
    "--container",
    type=click.Choice(["pth", "safetensors"]),
    default="pth",
    help="What checkpoints are written as.",
)
@click.option(
    "--save-every",
    type=click.IntRange(min=1),
    default=10,
    help="Epochs between checkpoints that stay.",
)
@click.option(
    "--save-every-steps",
    type=click.IntRange(min=1),
    help="Steps between checkpoints within epochs.",
)
@click.option(
    "--keep-top-k",
    type=click.IntRange(min=1),
    default=3,
    help="How many of the latter stay: the best.",
)
@click.option(
    "--metric",
    type=click.Choice(["d-fake", "d-loss", "g-loss"]),
    default="d-fake",
    help="What makes a checkpoint the best: D(fake) near 0.5, or a loss. None looks at pictures.",
)
@click.option(
    "--mode",
    type=click.Choice(["max", "min"]),
    help="Whether more or less of the metric is better; each has its own.",
    show_default=False,
)
@click.option("--background-save", is_flag=True, help="Write checkpoints while training goes on.")
@click.option("--num-threads", type=click.IntRange(min=1), help="Of PyTorch.")
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
    max_chunk_mb: float | None,
    container: Literal["pth", "safetensors"],
    save_every: int,
    save_every_steps: int | None,
    keep_top_k: int,
    metric: str,
    mode: Literal["max", "min"] | None,
    background_save: bool,
    num_threads: int | None,
) -> None:
    """Train the GAN of 128x128 grayscale fruit.

    After every epoch models/latest_model.pth is replaced, in chunks where it is above the cap;
    training can be stopped at any time and resumed to the same result. best_model.pth,
    final_gan.pth and checkpoint_epoch_010.pth, ... are whole checkpoints too; models_index.json
    lists them, and inference/ holds the best and the final generator for use.
    """
    import torch

    from train.gan import train_gan
    from train.gan_config import PROFILES
    from train.gan_saving import Saving
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
    saving = Saving(
        max_chunk_mb=chosen.max_chunk_mb if max_chunk_mb is None else max_chunk_mb,
        every_epochs=save_every,
        every_steps=save_every_steps,
        keep_top_k=keep_top_k,
        metric=metric,
        mode=mode,
        background=background_save,
        container=container,
    )
    folder = data_dir or output_dir / "preprocessed_images"
    if data_dir is None and not folder.exists():
        _draw(output, folder, chosen, config.seed)
    images = load_images(folder).images
    output.note(f"Training on {len(images)} pictures from {folder}, {config.epochs} epochs.")
    rows: list[dict[str, float]] = []
    announced: set[str] = set()
    with output.progress("training", total=config.epochs) as advance:

        def on_batch(report: "BatchReport") -> None:
            advance(1 / report.batches, f"D {report.step.d_loss:.2f} G {report.step.g_loss:.2f}")

        def on_epoch(report: "EpochReport") -> None:
            rows.append({"epoch": report.epoch, **vars(report.mean)})

        def announce(message: str) -> None:
            if message not in announced:  # the same at every epoch
                announced.add(message)
                warning = message.removeprefix("Warning: ")
                (output.note if warning == message else output.warn)(warning)

        result = train_gan(
            images,
            config,
            output_dir,
            resume=resume,
            saving=saving,
            device="cuda" if torch.cuda.is_available() else "cpu",
            on_epoch=on_epoch,
            on_batch=on_batch,
            announce=announce,
        )
    output.table("epochs", "Training", _COLUMNS, rows)
    output.fact("checkpoint", str(result.checkpoint), f"Checkpoint: {result.checkpoint}")
    best = None if result.best is None else str(result.best)
    none = f"No best checkpoint: no epoch met the conditions of {metric}."
    output.fact("best_checkpoint", best, none if best is None else f"Best by {metric}: {best}")
    folders = [str(path) for path in result.inference_folders]
    output.fact("inference_folders", folders, f"Generators for use: {', '.join(folders)}")
    progress = str(output_dir / "training_progress")
    output.fact("training_progress", progress, f"Pictures after each epoch: {progress}")
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
