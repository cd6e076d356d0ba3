"""The training of any task: epochs of steps, checkpoints on the way, exact resume."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from checkpoints.random_state import capture_torch_state, restore_torch_state
from chunkport.errors import ChunkportError, UsageError
from train.curves import Panel
from train.record import RunRecord
from train.release import release
from train.resuming import resume as resume_run
from train.run import Examples, Run, Shipped
from train.saving import RunCheckpoints, Saving
from train.seeds import derived_seed
from train.signs import Sign, changes


class DivergedError(ChunkportError):
    """A loss or weight is no longer a number; the epoch before left a good checkpoint."""

    exit_code = 1


@dataclass(frozen=True)
class BatchReport:
    """Where the run stands: batch `batch` of `batches` in epoch `epoch` of `epochs`, from 1.

    `figures` is what its step measured, by the history's keys.
    """

    epoch: int
    epochs: int
    batch: int
    batches: int
    figures: Mapping[str, float]


@dataclass(frozen=True)
class EpochReport:
    """Where the run stands after an epoch.

    Attributes:
        epoch: the one just done, of `epochs`, from 1.
        figures: the history's new entries.
        checkpoint: the latest.
        sample: the picture written after the epoch, if one was.
        stats: the epoch's line of `stats.jsonl`; see `train.stats`.
        history: of all epochs, one number each under each of the task's keys.
        panels: how the history is drawn.
        signs: of success and failure, those that stand after the epoch.
    """

    epoch: int
    epochs: int
    figures: Mapping[str, float]
    checkpoint: Path
    sample: Path | None
    stats: Mapping[str, Any]
    history: Mapping[str, Sequence[float]]
    panels: tuple[Panel, ...]
    signs: tuple[Sign, ...] = ()


@dataclass(frozen=True)
class TrainingResult:
    """What a finished run leaves.

    Attributes:
        checkpoint: the latest.
        best: the best by the run's criterion; None where no epoch met its conditions.
        final: the state after the last epoch.
        inference_folders: for use, of the best and the final state.
        progress_folder: of the sample pictures.
        curves: the history as a picture; None where it could not be drawn, or the task has none.
        epochs: behind it.
        history: one number per epoch under each of the task's keys.
        signs: those of success and failure that stand at the end.
    """

    checkpoint: Path
    best: Path | None
    final: Path
    inference_folders: tuple[Path, ...]
    progress_folder: Path
    curves: Path | None
    epochs: int
    history: dict[str, tuple[float, ...]]
    signs: tuple[Sign, ...] = ()


def say_nothing(_message: str) -> None:
    """What is announced when nobody listens."""


def _order(images: Examples, size: int) -> list[torch.Tensor]:
    """The images' numbers in random order, by batch; an incomplete last batch is left out."""
    order = torch.randperm(len(images)).to(images.device)
    batches = (order[start : start + size] for start in range(0, len(images), size))
    return [chosen for chosen in batches if len(chosen) == min(size, len(images))]


def _divergence(epoch: int, what: str) -> str:
    remedy = f"resume from the checkpoint of epoch {epoch - 1}" if epoch > 1 else "start again"
    return f"epoch {epoch}: {what} is no longer a number; {remedy} with a lower learning rate"


def _refuse_broken_weights(run: Run[Shipped], epoch: int, last: str) -> None:
    weights = (weight for network in run.networks for weight in network.parameters())
    if not all(bool(weight.isfinite().all()) for weight in weights):
        raise DivergedError(_divergence(epoch, f"a weight after {last}"))


def _train_epoch(
    run: Run[Shipped],
    images: Examples,
    saved: RunCheckpoints[Shipped],
    record: RunRecord,
    *,
    on_batch: Callable[[BatchReport], None] | None,
    announce: Callable[[str], None],
) -> None:
    """One pass over the images, or the rest of one.

    Random numbers depend on the epoch alone, so an epoch taken up again draws its order anew, and
    goes on with the numbers after it from where it was left. Of several processes each works on its
    share of every batch.
    """
    config, progress, processes = run.config, run.progress, run.processes
    epoch = progress.epoch + 1
    progress.epoch_images = len(images)
    for network in run.networks:
        network.train()
    with torch.random.fork_rng():
        torch.manual_seed(derived_seed(config.seed, "epoch", epoch))
        order = _order(images, config.batch_size)
        if progress.epoch_steps and progress.random_state is not None:
            restore_torch_state(processes.random_state(progress.random_state), announce)
        for chosen in order[len(progress.epoch_steps) :]:
            figures = run.step(images[processes.share(chosen)])
            batch = len(progress.epoch_steps) + 1
            if not all(math.isfinite(figures[key]) for key in run.losses):
                raise DivergedError(_divergence(epoch, f"the loss of batch {batch}"))
            progress.epoch_steps.append(figures)
            progress.step += 1
            record.end_step(len(chosen))
            if saved.step_is_due():
                _refuse_broken_weights(run, epoch, f"batch {batch}")
                progress.random_state = capture_torch_state()
                if processes.first:
                    with torch.random.fork_rng():  # what a save draws must not change the run
                        saved.save_step()
            if on_batch is not None and processes.first:
                on_batch(BatchReport(epoch, config.epochs, batch, len(order), figures))
        progress.random_state = capture_torch_state()
    _refuse_broken_weights(run, epoch, "the last batch")


def _end_epoch(
    run: Run[Shipped], saved: RunCheckpoints[Shipped], progress_folder: Path
) -> Path | None:
    """Enter the epoch into the history, evaluate, save; return the sample picture, if one is due.

    What is drawn at random meanwhile is the same after every epoch, so that figures compare. The
    first process does all of it, and the others wait to hear what it measured.
    """
    config, progress, processes = run.config, run.progress, run.processes
    progress.end_epoch()
    measured = run.evaluation_keys if run.evaluate is not None else ()
    if not processes.first:
        progress.enter(processes.from_first({}, measured))
        return None
    with torch.random.fork_rng():
        torch.manual_seed(derived_seed(config.seed, "evaluation"))
        shipped = run.ship()
        evaluated = run.evaluate(shipped) if run.evaluate is not None else {}
        progress.enter(processes.from_first(evaluated, measured))
        saved.save_epoch(shipped)
        due = progress.epoch in (1, config.epochs) or progress.epoch % config.sample_every == 0
        if run.write_sample is None or not due:
            return None
        sample = progress_folder / f"epoch_{progress.epoch:03d}.png"
        run.write_sample(shipped, sample)
        return sample


def train(
    run: Run[Shipped],
    images: Examples,
    output_folder: Path,
    *,
    resume: Path | None = None,
    saving: Saving | None = None,
    on_epoch: Callable[[EpochReport], None] | None = None,
    on_batch: Callable[[BatchReport], None] | None = None,
    announce: Callable[[str], None] = say_nothing,
) -> TrainingResult:
    """Train a new run on `images`, such as (N, C, H, W) uint8, up to its config's epochs in all.

    After every epoch `output_folder/models/latest_model.pth` is replaced, and beside it whatever
    `saving` asks for; a run that is stopped at any time goes on from any of its checkpoints with
    `resume`, and ends with the same weights as one that was not. At the end what the best and the
    final checkpoint hold for use is put into folders of `models/inference/`.
    `output_folder/training_progress/` gets the samples. After every epoch `stats.jsonl` gets a line
    and `training_history_live.png` is drawn anew, at the end `training_history.png`.
    `announce` hears what is said about saving and drawing, and of signs as they come and go. Of
    several processes the first alone writes and tells of it.

    Raises:
        DivergedError: a loss or weight became infinite or not a number; the last checkpoint is
            kept.
        UsageError: too few images, a folder that is not writable, a metric that the task does not
            have, a resumed checkpoint that was trained under another config, or one that is not the
            same in all processes.
        BadInputError: the checkpoint to resume from is damaged or of another kind.
    """
    if len(images) < 2:  # noqa: PLR2004 - batch normalisation of one image is undefined
        raise UsageError(f"too few images to train on ({len(images)}); give at least 2")
    if resume is not None:
        resume_run(run, resume, len(images), announce)
    config, progress, processes = run.config, run.progress, run.processes
    processes.refuse_strangers()
    processes.refuse_differences(
        (weight for network in run.networks for weight in network.state_dict().values()),
        "the processes begin with different weights; give all the same --resume and flags",
    )
    saving = saving or Saving()
    images = images.to(run.device)
    progress_folder = output_folder / "training_progress"
    record = RunRecord(output_folder, run, saving.stats_every_steps, announce)
    signs = run.standing_signs()
    with RunCheckpoints(output_folder / "models", saving, run, announce) as saved:
        record.begin()
        while progress.epoch < config.epochs:
            _train_epoch(run, images, saved, record, on_batch=on_batch, announce=announce)
            sample = _end_epoch(run, saved, progress_folder)
            if not processes.first:
                continue
            stats = record.end_epoch()
            before, signs = signs, run.standing_signs()
            if on_epoch is not None:
                on_epoch(
                    EpochReport(
                        epoch=progress.epoch,
                        epochs=config.epochs,
                        figures=progress.last,
                        checkpoint=saved.latest,
                        sample=sample,
                        stats=stats,
                        history={key: tuple(done) for key, done in progress.history.items()},
                        panels=run.panels,
                        signs=signs,
                    )
                )
            for line in changes(before, signs, progress.epoch):
                announce(line)
    curves = record.end()
    folders: tuple[Path, ...] = ()
    if run.inference_model is not None and processes.first:
        folders = release(
            run.inference_model, saved.best, saved.final, saving.max_chunk_mb, announce
        )
    processes.wait()
    return TrainingResult(
        checkpoint=saved.latest,
        best=saved.best,
        final=saved.final,
        inference_folders=folders,
        progress_folder=progress_folder,
        curves=curves,
        epochs=progress.epoch,
        history={key: tuple(values) for key, values in progress.history.items()},
        signs=signs,
    )
