"""The GAN's training: what it brings to the loop that trains any task."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from chunkport.errors import UsageError
from networks.gan import Generator
from train.curves import Panel
from train.gan_checkpoint import restore_state, state_values
from train.gan_config import MAY_CHANGE, GanConfig, refuse_uneven_parts
from train.gan_criteria import CRITERIA, d_fake_distance
from train.gan_evaluation import EVALUATION_KEYS, epoch_figures, gan_evaluation
from train.gan_losses import LOSSES
from train.gan_release import generator_for_use
from train.gan_signs import gan_signs
from train.gan_state import learning_rates, new_state, shipped_generator
from train.gan_step import STEP_KEYS, train_step
from train.images import to_unit_range
from train.loop import BatchReport, EpochReport, TrainingResult, say_nothing, train
from train.processes import ALONE, Processes
from train.progress import Progress
from train.run import Run
from train.samples import write_grid
from train.saving import Saving
from train.seeds import derived_seed

_SAMPLES = 64
_LOSSES = {"D_loss": "discriminator", "G_loss": "generator"}
_ANSWERS = Panel(
    "The discriminator's answers",
    "probability of being real",
    {"D_real": "D(real)", "D_fake": "D(fake)"},
    limits=(0, 1),
)
_PICTURES = (
    Panel(
        "Distance from the real pictures",
        "KID in features of fruit",
        {"kid": "KID"},
        logarithmic=True,
    ),
    Panel(
        "How much the pictures differ",
        "share of what real ones do",
        {"diversity": "in pixels", "variety": "in features", "distinctness": "from the nearest"},
    ),
)


def gan_run(
    config: GanConfig,
    images: torch.Tensor,
    processes: Processes = ALONE,
    announce: Callable[[str], None] = say_nothing,
) -> Run[Generator]:
    """A new run, its networks at their starting weights, judged by the images that it trains on.

    Samples are pictures of fixed latents. `announce` hears where judging will say little.

    Raises:
        UsageError: the device cannot compute as the config wants it.
        BadInputError: the fruit classifier's file is missing or damaged.
    """
    if config.mixed_precision == "fp16" and not processes.device.startswith("cuda"):
        raise UsageError(
            f"mixed_precision: fp16 needs a GPU by CUDA, and this is {processes.device}; choose "
            "bf16 or no"
        )
    state = new_state(config, processes)
    progress = Progress.before_the_first_step((*STEP_KEYS, *EVALUATION_KEYS))
    evaluation = gan_evaluation(config, images, processes.device, announce)
    source = torch.Generator().manual_seed(derived_seed(config.seed, "samples"))
    latents = torch.randn(_SAMPLES, config.noise_dim, generator=source).to(processes.device)
    return Run(
        name="gan",
        config=config,
        may_change=MAY_CHANGE,
        progress=progress,
        networks=(state.generator, state.discriminator),
        step=lambda pixels: train_step(state, to_unit_range(pixels), progress.step),
        step_keys=STEP_KEYS,
        losses=("D_loss", "G_loss"),
        ship=lambda: shipped_generator(state, progress.epoch),
        values=partial(state_values, state),
        restore=partial(restore_state, state),
        criteria=CRITERIA,
        derive=partial(d_fake_distance, epochs=config.epochs),
        evaluate=lambda shipped: epoch_figures(evaluation, config, progress.epoch, shipped),
        evaluation_keys=EVALUATION_KEYS,
        signs=partial(gan_signs, evaluation.bars),
        write_sample=lambda generator, path: write_grid(generator, latents, path),
        panels=(Panel("Losses", LOSSES[config.loss], _LOSSES), _ANSWERS, *_PICTURES),
        rates=partial(learning_rates, state),
        details={"noise_dim": config.noise_dim},
        inference_model=generator_for_use,
        device=processes.device,
        processes=processes,
    )


def train_gan(
    images: torch.Tensor,
    config: GanConfig,
    output_folder: Path,
    *,
    resume: Path | None = None,
    saving: Saving | None = None,
    processes: Processes = ALONE,
    on_epoch: Callable[[EpochReport], None] | None = None,
    on_batch: Callable[[BatchReport], None] | None = None,
    announce: Callable[[str], None] = say_nothing,
) -> TrainingResult:
    """Train a GAN on `images` (N, 1, 128, 128) uint8, as `train.loop.train` trains any task.

    Each of several processes gives all of the images, and works on its share of every batch.

    Raises:
        ChunkportError: as there, or a batch does not fall into equal shares.
    """
    batch = min(config.batch_size, len(images))
    refuse_uneven_parts(batch, config.accumulate, processes.count)
    processes.refuse_differences(
        [images], "data_dir: the processes have different pictures; give every machine the same"
    )
    return train(
        gan_run(config, images, processes, announce),
        images,
        output_folder,
        resume=resume,
        saving=saving,
        on_epoch=on_epoch,
        on_batch=on_batch,
        announce=announce,
    )
