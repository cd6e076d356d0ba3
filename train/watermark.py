"""The watermark's training: what an embedder and a detector bring to the loop."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch

from train.curves import Panel
from train.loop import BatchReport, EpochReport, TrainingResult, say_nothing, train
from train.progress import Progress
from train.run import Criterion, Run
from train.saving import Saving
from train.strips import write_strips
from train.watermark_config import MAY_CHANGE, WatermarkConfig
from train.watermark_evaluation import EVALUATION_KEYS, HeldOut, evaluate, held_out
from train.watermark_release import PROVENANCE, pair_for_use
from train.watermark_state import (
    STEP_KEYS,
    WatermarkState,
    new_state,
    restore_state,
    state_values,
    train_step,
)

CRITERIA = {
    "attacked-bit-accuracy": Criterion("attacked_bit_accuracy", "max"),
    "bit-accuracy": Criterion("bit_accuracy", "max"),
    "loss": Criterion("settled_loss", "min"),
}
"""By name. The accuracies are of held-out pictures, marked as faintly as the card says from the
first epoch on. The loss is that of training, and counts only in epochs whose marks had faded and
whose distortions were at their hardest from the first step: before, it is lower for being easier.
"""
_PANELS = (
    Panel("Loss", "binary cross-entropy (nats)", {"loss": "message and presence"}),
    Panel(
        "Bits read right",
        "share of bits",
        {
            "bit_accuracy": "held out",
            "attacked_bit_accuracy": "held out, JPEG 70 and half size",
            "training_bit_accuracy": "in training, distorted",
        },
        limits=(0.45, 1.01),
    ),
    Panel(
        "Marked and clean told apart",
        "share of pictures",
        {"presence_accuracy": "in training"},
        limits=(0.45, 1.01),
    ),
    Panel("Invisibility", "PSNR of held-out marks (dB)", {"psnr_db": "PSNR"}),
)


def settled_loss(
    config: WatermarkConfig, progress: Progress, figures: Mapping[str, float], epoch: int
) -> dict[str, float]:
    """The loss of an epoch, or of its steps so far, where it compares with others; or nothing."""
    steps = len(progress.epoch_steps) or progress.step // epoch
    began = progress.step - steps
    if began < max(config.fading_steps, config.hardening_steps):
        return {}
    return {"settled_loss": figures["loss"]}


def watermark_run(
    config: WatermarkConfig,
    held: HeldOut,
    device: str = "cpu",
    provenance: Mapping[str, str] | None = None,
) -> Run[WatermarkState]:
    """A new run, its networks at their starting weights, judged by held-out pictures.

    `provenance` is what its checkpoints tell of the pictures and of how the run was started.
    """
    state = new_state(config, device)
    progress = Progress.before_the_first_step((*STEP_KEYS, *EVALUATION_KEYS))
    return Run(
        name="watermark",
        config=config,
        may_change=MAY_CHANGE,
        progress=progress,
        networks=(state.embedder, state.detector),
        step=partial(train_step, state, progress),
        step_keys=STEP_KEYS,
        losses=("loss",),
        ship=lambda: state,
        values=state_values,
        restore=partial(restore_state, state),
        criteria=CRITERIA,
        derive=partial(settled_loss, config, progress),
        evaluate=lambda shipped: evaluate(shipped, held),
        evaluation_keys=EVALUATION_KEYS,
        write_sample=lambda shipped, path: write_strips(shipped.embedder, held, path),
        panels=_PANELS,
        rates=lambda: {"learning_rate": state.optimizer.param_groups[0]["lr"]},
        details={
            "nbits": config.nbits,
            "image_size": config.image_size,
            PROVENANCE: dict(provenance or {}),
        },
        inference_model=pair_for_use,
        device=device,
    )


def train_watermark(
    pictures: torch.Tensor,
    held_out_pictures: torch.Tensor,
    config: WatermarkConfig,
    output_folder: Path,
    *,
    resume: Path | None = None,
    saving: Saving | None = None,
    device: str = "cpu",
    provenance: Mapping[str, str] | None = None,
    on_epoch: Callable[[EpochReport], None] | None = None,
    on_batch: Callable[[BatchReport], None] | None = None,
    announce: Callable[[str], None] = say_nothing,
) -> TrainingResult:
    """Train a pair on `pictures` (N, 3, H, W) uint8, at least `config.image_size` a side.

    The middle of `held_out_pictures`, of such sizes too, judges it and is shown in samples.
    `provenance` is as for `watermark_run`.

    Raises:
        ChunkportError: as `train.loop.train`.
    """
    held = held_out(held_out_pictures, config.image_size, config.nbits, config.seed)
    return train(
        watermark_run(config, held, device, provenance),
        pictures,
        output_folder,
        resume=resume,
        saving=saving,
        on_epoch=on_epoch,
        on_batch=on_batch,
        announce=announce,
    )
