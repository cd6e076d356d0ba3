"""What the training commands share: flags about saving, progress on the way, facts at the end."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chunkport.errors import UsageError
from scripts._dashboard import Dashboard
from scripts._interrupted import how_to_go_on
from scripts._options import CHECKPOINT
from scripts._output import Column, Output

if TYPE_CHECKING:
    from train.loop import BatchReport, EpochReport, TrainingResult
    from train.picture_files import Drawings
    from train.run import Criterion, RunConfig
    from train.saving import Saving


_TENSORBOARD = "chunkport.tensorboard"


def _remember_tensorboard(context: click.Context, _option: click.Parameter, value: bool) -> None:
    if value:
        from train.tensorboard_events import require_tensorboard

        require_tensorboard()  # refused now, and not when the images are loaded
    context.meta[_TENSORBOARD] = value


def training_options(
    metrics: Sequence[str], metric_help: str
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the flags; `chosen_saving` makes one value of most of them.

    The first of `metrics` is the default. `--resume` and `--num-threads` reach the command as they
    are, `--tensorboard` only `show_training`.
    """
    options = (
        click.option("--resume", type=CHECKPOINT, help="Go on from this checkpoint."),
        click.option("--max-chunk-mb", type=float, help="Largest file of a checkpoint, in MiB."),
        click.option(
            "--container",
            type=click.Choice(["pth", "safetensors"]),
            default="pth",
            help="What checkpoints are written as.",
        ),
        click.option(
            "--save-every",
            type=click.IntRange(min=1),
            default=10,
            help="Epochs between checkpoints that stay.",
        ),
        click.option(
            "--save-every-steps",
            type=click.IntRange(min=1),
            help="Steps between checkpoints within epochs.",
        ),
        click.option(
            "--keep-top-k",
            type=click.IntRange(min=1),
            default=3,
            help="How many of the latter stay: the best, or by a metric that is measured after "
            "epochs alone the newest.",
        ),
        click.option("--metric", type=click.Choice(metrics), default=metrics[0], help=metric_help),
        click.option(
            "--mode",
            type=click.Choice(["max", "min"]),
            help="Whether more or less of the metric is better; each has its own.",
            show_default=False,
        ),
        click.option(
            "--background-save", is_flag=True, help="Write checkpoints while training goes on."
        ),
        click.option("--num-threads", type=click.IntRange(min=1), help="Of PyTorch."),
        click.option(
            "--stats-every-steps",
            type=click.IntRange(min=1),
            help="Steps between lines of stats.jsonl within epochs; each epoch has one anyway.",
        ),
        click.option(
            "--tensorboard",
            is_flag=True,
            expose_value=False,
            callback=_remember_tensorboard,
            help="Write events for TensorBoard into OUTPUT_DIR/tensorboard.",
        ),
    )

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def chosen_saving(
    default_chunk_mb: float,
    criteria: "Mapping[str, Criterion]",
    *,
    max_chunk_mb: float | None,
    save_every: int,
    background_save: bool,
    save_every_steps: int | None,
    **as_they_are: Any,
) -> "Saving":
    """The flags as one value, for a task that is judged by these criteria.

    Raises:
        UsageError: no file can be so small, or the mode would make the worst the best.
    """
    from train.saving import Saving

    saving = Saving(
        max_chunk_mb=default_chunk_mb if max_chunk_mb is None else max_chunk_mb,
        every_epochs=save_every,
        every_steps=save_every_steps,
        background=background_save,
        **as_they_are,
    )
    saving.ranking(criteria)  # refused now, and not when the images are loaded
    return saving


def refuse_output_among(data_dir: Path | None, output_dir: Path) -> None:
    """Keep what a run draws apart from the user's pictures.

    Raises:
        UsageError: the output is inside the folder of pictures to train on.
    """
    if data_dir is not None and output_dir.resolve().is_relative_to(data_dir.resolve()):
        raise UsageError(
            f"{output_dir}: is inside {data_dir}, so its samples would be trained on; choose "
            "another --output-dir"
        )


def command_line(command: str, given: Mapping[str, object]) -> str:
    """The command line that trains the same, but for where pictures and results lie."""
    flags = [f"--{name.replace('_', '-')} {value}" for name, value in given.items()]
    return " ".join(["chunkport", command, *flags])


def draw_pictures(output: Output, folder: Path, drawings: "Drawings", what: str) -> bool:
    """Draw those of the drawings that the folder lacks, as after an interruption.

    Returns False, and draws nothing, where the folder holds other pictures than these.

    Raises:
        UsageError: the folder is not writable.
        BadInputError: the first picture in it is damaged.
    """
    from train.picture_files import undrawn, write_pictures

    missing = undrawn(folder, drawings)
    if missing:
        output.note(f"Drawing {len(missing)} {what} into {folder}.")
        with output.progress("drawing", total=len(missing)) as advance:
            write_pictures(missing, lambda _done, _total: advance())
    return missing is not None


@dataclass(frozen=True)
class Shown:
    """How one task's training is shown.

    Attributes:
        columns: of the table of epochs, whose rows have the history's keys in small letters.
        note: what the progress bar says of a step, from what it measured.
        inference: what the inference folders hold.
        samples: what the sample pictures are.
        epoch_lines: what is said after an epoch, if anything.
    """

    columns: tuple[Column, ...]
    note: Callable[[Mapping[str, float]], str]
    inference: str
    samples: str
    epoch_lines: "Callable[[EpochReport], str] | None" = None


def _warn_of_what_is_replaced(output: Output) -> None:
    """A new run in the folder of another one: its `latest` and `best` go after the first epoch."""
    from checkpoints.models_index import read_models

    given = click.get_current_context().params
    models: Path = given["output_dir"] / "models"
    if given["resume"] is not None or not models.is_dir():
        return
    for item in read_models(models, lambda _line: None):
        if item.kind == "latest":
            path = models / item.file
            output.warn(
                f"{path} holds {item.epoch} epochs of another run, which this new one replaces "
                f"after its first; stop it and give --resume {path} to go on from there, or "
                "another --output-dir to keep both"
            )


def show_training(
    output: Output,
    train: "Callable[..., TrainingResult]",
    config: "RunConfig",
    metric: str,
    shown: Shown,
) -> "TrainingResult":
    """Train, say how it goes and what it leaves, and show it in a page meanwhile.

    Where it was interrupted, how to go on is said.

    `train` takes `on_epoch`, `on_batch` and `announce` as `train.loop.train` does.
    """
    rows: list[dict[str, Any]] = []
    began = datetime.now(UTC).replace(microsecond=0)
    announced: set[str] = set()

    def announce(message: str) -> None:
        if message not in announced:  # the same at every epoch
            announced.add(message)
            warning = message.removeprefix("Warning: ")
            (output.note if warning == message else output.warn)(warning)
            dashboard.hear(message)

    tensorboard = click.get_current_context().meta[_TENSORBOARD]
    dashboard = Dashboard(config, announce, tensorboard=tensorboard)
    _warn_of_what_is_replaced(output)
    output.note(f"{dashboard.page} shows how it goes; open it in a browser.")
    with dashboard, output.progress("training", total=config.epochs) as advance:

        def on_batch(report: "BatchReport") -> None:
            advance(1 / report.batches, shown.note(report.figures))
            dashboard.on_batch(report)

        def on_epoch(report: "EpochReport") -> None:
            figures = {key.lower(): value for key, value in report.figures.items()}
            rows.append({"epoch": report.epoch, **figures})
            dashboard.on_epoch(report)
            if shown.epoch_lines is not None:
                output.note(shown.epoch_lines(report))

        try:
            result = train(on_epoch=on_epoch, on_batch=on_batch, announce=announce)
        except KeyboardInterrupt:
            output.note(how_to_go_on(began, config.epochs))
            raise
    output.table("epochs", "Training", shown.columns, rows)
    output.fact("checkpoint", str(result.checkpoint), f"Checkpoint: {result.checkpoint}")
    best = None if result.best is None else str(result.best)
    none = f"No best checkpoint: no epoch met the conditions of {metric}."
    output.fact("best_checkpoint", best, none if best is None else f"Best by {metric}: {best}")
    folders = [str(path) for path in result.inference_folders]
    for_use = f"{shown.inference}: {', '.join(folders)}" if folders else None
    output.fact("inference_folders", folders, for_use)
    progress = str(result.progress_folder)
    output.fact("training_progress", progress, f"{shown.samples}: {progress}")
    curves = None if result.curves is None else str(result.curves)
    output.fact("curves", curves, None if curves is None else f"Curves: {curves}")
    page = str(dashboard.page)
    output.fact("page", page, f"Page: {page}")
    return result
