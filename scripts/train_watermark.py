"""`chunkport train-watermark`: train an embedder and a detector that hide and read a message."""

import shlex
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from chunkport.errors import UsageError
from scripts._options import FOLDER, chunkport_command
from scripts._output import Column, Output, number
from scripts._training import (
    Shown,
    chosen_saving,
    command_line,
    draw_pictures,
    refuse_output_among,
    show_training,
    training_options,
)

_HELD_OUT_SHARE = 0.1
_SHOWN = Shown(
    columns=(
        Column("epoch", "epoch", right=True),
        Column("loss", "loss", number, right=True),
        Column("bit_accuracy", "bits right", number, right=True),
        Column("attacked_bit_accuracy", "attacked", number, right=True),
        Column("psnr_db", "PSNR dB", number, right=True),
    ),
    note=lambda step: f"loss {step['loss']:.2f} bits {step['training_bit_accuracy']:.2f}",
    inference="Pairs for use",
    samples="Original, marked and difference x10 after epochs",
)


@chunkport_command("train-watermark")
@click.option(
    "--profile",
    type=click.Choice(["standard", "demo"]),
    default="standard",
    help="standard: 32 bits, half an hour or more; demo: 16 bits, minutes on two cores.",
)
@click.option(
    "--data-dir",
    type=FOLDER,
    help="Any pictures, in subfolders or not; without it, scenes are drawn into OUTPUT_DIR/scenes.",
)
@click.option("-o", "--output-dir", type=FOLDER, default="watermark", help="Where models/ goes.")
@click.option("--epochs", type=int, help="Passes over the pictures, in all.")
@click.option("--batch-size", type=int, help="Pictures per step.")
@click.option("--learning-rate", type=float, help="AdamW's, for both networks.")
@click.option("--nbits", type=int, help="Bits in a message.")
@click.option("--image-size", type=int, help="Pixels a side that the networks look at.")
@click.option("--psnr-db", type=float, help="Of every marked picture; more hides the mark better.")
@click.option("--seed", type=int, help="Of the weights, the order and the drawn scenes.")
@training_options(
    ("attacked-bit-accuracy", "bit-accuracy", "loss"),
    "What makes a checkpoint the best: bits of held-out pictures, or the loss.",
)
def command(
    output: Output,
    profile: str,
    data_dir: Path | None,
    output_dir: Path,
    resume: Path | None,
    num_threads: int | None,
    epochs: int | None,
    batch_size: int | None,
    learning_rate: float | None,
    nbits: int | None,
    image_size: int | None,
    psnr_db: float | None,
    seed: int | None,
    **saving_flags: Any,
) -> None:
    """Train a watermark: an embedder that hides a message in pictures, a detector that reads it.

    A tenth of the pictures is held out, and judges every epoch: bits read right as marked and
    under JPEG and resizing, and how invisible the mark is. Checkpoints, resuming and curves are
    as those of train-gan; models/inference/ holds the pair for embed-watermark, detect-watermark
    and convert.
    """
    import torch

    from train.pictures import load_pictures, split_held_out
    from train.scenes import scene_drawings
    from train.watermark import CRITERIA, train_watermark
    from train.watermark_config import PROFILES

    if num_threads:
        torch.set_num_threads(num_threads)
    chosen = PROFILES[profile]
    flags = {
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "nbits": nbits,
        "image_size": image_size,
        "psnr_db": psnr_db,
        "seed": seed,
    }
    given: dict[str, Any] = {name: value for name, value in flags.items() if value is not None}
    config = replace(chosen.config, **given)
    saving = chosen_saving(chosen.max_chunk_mb, CRITERIA, **saving_flags)
    refuse_output_among(data_dir, output_dir)
    folder = data_dir or output_dir / "scenes"
    if data_dir is None:
        scenes = scene_drawings(folder, chosen.scenes, config.seed, config.drawn_size)
        if not draw_pictures(output, folder, scenes, "scenes"):
            raise UsageError(
                f"{folder}: holds other pictures than the scenes of this run; choose another "
                f"--output-dir, remove them, or train on them with --data-dir {folder}"
            )
    training, held_out = split_held_out(load_pictures(folder, config.drawn_size), _HELD_OUT_SHARE)
    output.note(
        f"Training on {len(training.pictures)} pictures from {folder}, {len(held_out.pictures)} "
        f"held out, {config.epochs} epochs."
    )
    train = partial(
        train_watermark,
        training.pictures,
        held_out.pictures,
        config,
        output_dir,
        resume=resume,
        saving=saving,
        device="cuda" if torch.cuda.is_available() else "cpu",
        provenance={
            "command": command_line("train-watermark", {"profile": profile, **given}),
            "data": f"scenes that it drew, seed {config.seed}"
            if data_dir is None
            else data_dir.resolve().name,
            "pictures": f"{len(training.names)} trained on, {len(held_out.names)} held out",
        },
    )
    result = show_training(output, train, config, saving_flags["metric"], _SHOWN)
    pair = shlex.quote(str(result.inference_folders[-1]))
    output.next_step(
        f"chunkport convert {pair}/full_model.pth --model tinyseal --card {pair}/config.json "
        "--precision fp32 --precision int8"
    )


if __name__ == "__main__":
    from scripts._cli import run

    run(command)
