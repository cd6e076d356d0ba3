"""The GAN's training checkpoint: everything in it, and the state that goes on from it."""

from collections.abc import Callable, Mapping
from dataclasses import astuple
from pathlib import Path
from typing import Any

import torch

from checkpoints import load_model_chunked
from checkpoints.random_state import restore_torch_state
from checkpoints.run_config import refuse_changed_config
from chunkport.errors import BadInputError
from networks.gan import Generator
from train.gan_config import MAY_CHANGE, GanConfig
from train.gan_state import HISTORY_KEYS, GanState, StepReport, new_state


def state_values(state: GanState, shipped: Generator) -> dict[str, Any]:
    """What `generate` and `convert` read, and all that a resume needs.

    `generator_state_dict` is `shipped`, the generator meant for use. Where that is an average,
    the weights that training goes on from are beside it, under `generator_raw_state_dict`.
    """
    columns = zip(*map(astuple, state.epoch_steps), strict=True)
    values: dict[str, Any] = {
        "noise_dim": state.config.noise_dim,
        "width": state.config.width,
        "history": {key: list(values) for key, values in state.history.items()},
        "epoch_steps": dict(zip(HISTORY_KEYS, map(list, columns), strict=False)),
        "random_state": state.random_state,
        "generator_state_dict": dict(shipped.state_dict()),
        "discriminator_state_dict": dict(state.discriminator.state_dict()),
        "optimizer_G_state_dict": state.optimizer_g.state_dict(),
        "optimizer_D_state_dict": state.optimizer_d.state_dict(),
    }
    if state.config.average_decay > 0:
        values["generator_raw_state_dict"] = dict(state.generator.state_dict())
        values["averaged_steps"] = int(state.average.n_averaged)
    return values


def load_state(
    path: Path,
    config: GanConfig,
    device: str = "cpu",
    announce: Callable[[str], None] = lambda _message: None,
) -> GanState:
    """The state that a training checkpoint holds, ready to go on under `config`.

    `announce` hears of random states that are of other devices than those here.

    Raises:
        BadInputError: the file is damaged or is not a GAN training checkpoint.
        UsageError: it was trained under another config; only `MAY_CHANGE` may change on the way.
    """
    values = load_model_chunked(path, device=device)
    if not isinstance(values.get("config"), Mapping):
        raise BadInputError(f"{path}: has no config; resume from a training checkpoint")
    before = GanConfig.from_dict(values["config"]).as_dict()
    refuse_changed_config(str(path), before, config.as_dict(), MAY_CHANGE)
    state = new_state(config, device)
    averaged = config.average_decay > 0
    raw = "generator_raw_state_dict" if averaged else "generator_state_dict"
    try:
        state.generator.load_state_dict(values[raw])
        state.discriminator.load_state_dict(values["discriminator_state_dict"])
        state.optimizer_g.load_state_dict(values["optimizer_G_state_dict"])
        state.optimizer_d.load_state_dict(values["optimizer_D_state_dict"])
        _set_rate(state.optimizer_g, config.learning_rate)
        _set_rate(state.optimizer_d, config.discriminator_rate)
        if averaged:
            state.average.module.load_state_dict(values["generator_state_dict"])
            state.average.n_averaged.fill_(values["averaged_steps"])
        state.history = {key: [float(v) for v in values["history"][key]] for key in HISTORY_KEYS}
        state.step = int(values["global_step"])
        columns = [values["epoch_steps"].get(key, []) for key in HISTORY_KEYS]
        state.epoch_steps = [StepReport(*row) for row in zip(*columns, strict=True)]
        state.random_state = values["random_state"]
        if state.epoch_steps:
            with torch.random.fork_rng():  # refused now, if at all, and not in the next epoch
                restore_torch_state(values["random_state"], announce)
    except KeyError as error:
        raise BadInputError(f"{path}: has no {error}; resume from a training checkpoint") from error
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise BadInputError(f"{path}: does not fit the network ({reason}); train anew") from error
    return state


def _set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Put a learning rate in place of the one that came with the optimiser's restored state."""
    for group in optimizer.param_groups:
        group["lr"] = rate
