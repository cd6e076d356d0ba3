"""The fruit classifier's training: what it brings to the loop that trains any task."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from train.classifier_config import MAY_CHANGE, ClassifierConfig
from train.classifier_release import PROVENANCE, classifier_for_use
from train.classifier_state import (
    STEP_KEYS,
    ClassifierState,
    new_state,
    restore_state,
    state_values,
    train_step,
)
from train.confusion import confuse, write_confusion
from train.curves import Panel
from train.images import ImageSet
from train.loop import BatchReport, EpochReport, TrainingResult, say_nothing, train
from train.progress import Progress
from train.run import Criterion, Run
from train.saving import Saving

EVALUATION_KEYS = ("accuracy", "held_out_loss")
"""Of held-out images as they are: the part told apart rightly, and the cross-entropy in nats."""
CRITERIA = {
    "held-out-loss": Criterion("held_out_loss", "min"),
    "accuracy": Criterion("accuracy", "max"),
}
"""By name. The loss also tells apart networks that both make no mistake."""
_PANELS = (
    Panel(
        "Loss",
        "cross-entropy (nats)",
        {"held_out_loss": "held out", "loss": "in training, distorted"},
    ),
    Panel(
        "Told apart rightly",
        "share of pictures",
        {"accuracy": "held out", "training_accuracy": "in training, distorted"},
        limits=(0, 1.01),
    ),
)


def classifier_run(
    config: ClassifierConfig,
    held_out: ImageSet,
    device: str = "cpu",
    provenance: Mapping[str, str] | None = None,
) -> Run[ClassifierState]:
    """A new run, its network at its starting weights, judged by held-out images.

    `provenance` is what its checkpoints tell of the images and of how the run was started.
    """
    state = new_state(config, device)
    progress = Progress.before_the_first_step((*STEP_KEYS, *EVALUATION_KEYS))

    def evaluate(shipped: ClassifierState) -> dict[str, float]:
        confusion = confuse(shipped.network, held_out)
        return dict(zip(EVALUATION_KEYS, (confusion.accuracy, confusion.loss), strict=True))

    return Run(
        name="classifier",
        config=config,
        may_change=MAY_CHANGE,
        progress=progress,
        networks=(state.network,),
        step=partial(train_step, state, progress),
        step_keys=STEP_KEYS,
        losses=("loss",),
        ship=lambda: state,
        values=state_values,
        restore=partial(restore_state, state),
        criteria=CRITERIA,
        evaluate=evaluate,
        evaluation_keys=EVALUATION_KEYS,
        write_sample=lambda shipped, path: write_confusion(
            confuse(shipped.network, held_out), path
        ),
        panels=_PANELS,
        rates=lambda: {"learning_rate": state.optimizer.param_groups[0]["lr"]},
        details={"classes": list(config.classes), PROVENANCE: dict(provenance or {})},
        inference_model=classifier_for_use,
        device=device,
    )


def train_classifier(
    training: ImageSet,
    held_out: ImageSet,
    config: ClassifierConfig,
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
    """Train a classifier on images of the config's classes, judged by others after every epoch.

    `provenance` is as for `classifier_run`.

    Raises:
        ChunkportError: as `train.loop.train`.
    """
    return train(
        classifier_run(config, held_out, device, provenance),
        training,
        output_folder,
        resume=resume,
        saving=saving,
        on_epoch=on_epoch,
        on_batch=on_batch,
        announce=announce,
    )
