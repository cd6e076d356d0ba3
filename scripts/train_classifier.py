"""`chunkport train-classifier`: train the network that tells fruits apart."""

import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chunkport.errors import UsageError
from scripts._fruit_pictures import picture_options, read_to_train_and_judge
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

if TYPE_CHECKING:
    from train.confusion import Confusion
    from train.images import ImageSet

_HELD_OUT_SHARE = 0.2
_DRAWN_PER_CLASS = 500
_MAX_CHUNK_MB = 90
_SHOWN = Shown(
    columns=(
        Column("epoch", "epoch", right=True),
        Column("loss", "loss", number, right=True),
        Column("held_out_loss", "held out", number, right=True),
        Column("accuracy", "accuracy", number, right=True),
    ),
    note=lambda step: f"loss {step['loss']:.2f} right {step['training_accuracy']:.2f}",
    inference="Classifiers for use",
    samples="Confusion matrices after epochs",
)


@chunkport_command("train-classifier")
@picture_options
@click.option("-o", "--output-dir", type=FOLDER, default="classifier", help="Where models/ goes.")
@click.option("--epochs", type=int, help="Passes over the pictures, in all.")
@click.option("--batch-size", type=int, help="Pictures per step.")
@click.option("--learning-rate", type=float, help="AdamW's.")
@click.option("--width", type=int, help="Channels of the first layer.")
@click.option("--seed", type=int, default=0, help="Of the weights, the order, the drawn pictures.")
@training_options(
    ("held-out-loss", "accuracy"),
    "What makes a checkpoint the best, on held-out pictures.",
)
def command(
    output: Output,
    data_dir: Path | None,
    group_by_fruit: bool | None,
    skip_bad_files: bool,
    output_dir: Path,
    resume: Path | None,
    num_threads: int | None,
    epochs: int | None,
    batch_size: int | None,
    learning_rate: float | None,
    width: int | None,
    seed: int,
    **saving_flags: Any,
) -> None:
    """Train the network that tells kinds of 128x128 grayscale fruit apart.

    A fifth of the pictures of each kind is held out, or what their folder has as Validation/ or
    Test/, and judges every epoch. Checkpoints, resuming and curves are as those of train-gan;
    models/inference/ holds the classifier for use. `verify` compares generators by the features of
    one that was trained so and comes with chunkport.
    """
    import torch

    from train.classifier import CRITERIA, train_classifier
    from train.classifier_config import ClassifierConfig
    from train.fruits import FRUITS, fruit_drawings

    if num_threads:
        torch.set_num_threads(num_threads)
    flags = {
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "width": width,
    }
    given: dict[str, Any] = {name: value for name, value in flags.items() if value is not None}
    ClassifierConfig(classes=FRUITS, seed=seed, **given)  # refuses now what it would refuse later
    saving = chosen_saving(_MAX_CHUNK_MB, CRITERIA, **saving_flags)
    refuse_output_among(data_dir, output_dir)
    folder = data_dir or output_dir / "preprocessed_images"
    if data_dir is None:
        fruit = fruit_drawings(folder, _DRAWN_PER_CLASS, seed)
        if not draw_pictures(output, folder, fruit, f"pictures ({', '.join(FRUITS)})"):
            raise UsageError(
                f"{folder}: holds other pictures than the fruit of this run; choose another "
                f"--output-dir, remove them, or train on them with --data-dir {folder}"
            )
    training, held_out = read_to_train_and_judge(
        output,
        folder,
        _HELD_OUT_SHARE,
        group_by_fruit=group_by_fruit,
        skip_bad_files=skip_bad_files,
    )
    config = ClassifierConfig(classes=training.classes, seed=seed, **given)
    output.note(
        f"Training on {len(training)} pictures from {folder}, {len(held_out)} held out, "
        f"{config.epochs} epochs."
    )
    train = partial(
        train_classifier,
        training,
        held_out,
        config,
        output_dir,
        resume=resume,
        saving=saving,
        device="cuda" if torch.cuda.is_available() else "cpu",
        provenance={
            "command": command_line("train-classifier", {**given, "seed": seed}),
            "data": f"fruit that it drew, seed {seed}"
            if data_dir is None
            else data_dir.resolve().name,
            "pictures": f"{len(training)} trained on, {len(held_out)} held out",
        },
    )
    result = show_training(output, train, config, saving_flags["metric"], _SHOWN)
    chosen = result.best or result.final
    _show_confusion(output, _confusion_of(chosen, held_out, result.progress_folder), chosen)
    output.next_step(f"chunkport check-models {shlex.quote(str(chosen.parent))}")


def _confusion_of(checkpoint: Path, held_out: "ImageSet", folder: Path) -> "Confusion":
    """What a checkpoint's classifier makes of the held-out images; also as a picture."""
    from checkpoints import load_model_chunked
    from networks.fruit_classifier import read_classifier
    from train.confusion import confuse, write_confusion

    network, _ = read_classifier(load_model_chunked(checkpoint), str(checkpoint))
    confusion = confuse(network, held_out)
    write_confusion(confusion, folder / "confusion_matrix.png")
    return confusion


def _show_confusion(output: Output, confusion: "Confusion", checkpoint: Path) -> None:
    from networks.fruit_classifier import FIT_ACCURACY

    columns = (
        Column("true_class", "is"),
        *(Column(name, f"taken for {name}", right=True) for name in confusion.classes),
        Column("accuracy", "right", number, right=True),
    )
    title = f"{checkpoint.name} on held-out pictures"
    output.table("confusion", title, columns, confusion.rows())
    accuracy = confusion.accuracy
    output.fact("accuracy", accuracy, f"Accuracy: {accuracy:.2%} of held-out pictures")
    if accuracy < FIT_ACCURACY:
        output.warn(
            f"{accuracy:.2%} is below {FIT_ACCURACY:.0%}: its features say too little to judge "
            "generators by; give more pictures or epochs"
        )


if __name__ == "__main__":
    from scripts._cli import run

    run(command)
