"""Going on from a checkpoint of the same run."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from checkpoints import load_model_chunked
from checkpoints.random_state import restore_torch_state
from checkpoints.run_config import refuse_changed_config
from chunkport.errors import BadInputError, UsageError
from train.run import Run, Shipped


def resume(run: Run[Shipped], path: Path, images: int, announce: Callable[[str], None]) -> None:
    """Put a new run to where the checkpoint's was, ready to go on under the run's config.

    `images` is how many it goes on with: between epochs others may be added, within an epoch not.
    `announce` hears of random states that are of other devices than those here, and of what was
    not measured yet in the epochs before.

    Raises:
        BadInputError: the file is damaged or is not a training checkpoint of this task.
        UsageError: it was trained under another config, has all epochs behind it already, or is
            from within an epoch of more or fewer images; only `run.may_change` may change on the
            way.
    """
    values = load_model_chunked(path, device=run.device)
    if not isinstance(values.get("config"), Mapping):
        raise BadInputError(f"{path}: has no config; resume from a training checkpoint")
    try:
        before = type(run.config).from_dict(values["config"]).as_dict()
    except (BadInputError, UsageError) as error:
        raise BadInputError(f"{path}: is of another task or version, by its {error}") from error
    refuse_changed_config(str(path), before, run.config.as_dict(), run.may_change)
    try:
        run.restore(values)
        unmeasured = run.progress.restore(values, run.evaluation_keys)
        if run.progress.epoch_steps:
            with torch.random.fork_rng():  # refused now, if at all, and not in the next epoch
                restore_torch_state(values["random_state"], announce)
    except KeyError as error:
        raise BadInputError(f"{path}: has no {error}; resume from a training checkpoint") from error
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise BadInputError(f"{path}: does not fit the network ({reason}); train anew") from error
    if run.progress.epoch >= run.config.epochs:
        raise UsageError(
            f"{path}: has {run.progress.epoch} epochs behind it already; ask for more than that"
        )
    if unmeasured:
        announce(f"{path}: does not tell {', '.join(unmeasured)} of the epochs before it.")
    begun_with = run.progress.epoch_images
    if run.progress.epoch_steps and begun_with not in (None, images):
        raise UsageError(
            f"{path}: is from within an epoch of {begun_with} images, and there are {images} now; "
            "give the same images, or resume from a checkpoint of a whole epoch"
        )
