"""What a GAN's training checkpoint holds of its networks and optimisers, and the way back."""

from collections.abc import Mapping
from typing import Any

import torch

from networks.gan import Generator
from train.gan_state import GanState

_OWN = ("lr", "fused")


def state_values(state: GanState, shipped: Generator) -> dict[str, Any]:
    """What `generate` and `convert` read, and what `restore_state` needs.

    `generator_state_dict` is `shipped`, the generator meant for use. Where that is an average,
    the weights that training goes on from are beside it, under `generator_raw_state_dict`.
    """
    values: dict[str, Any] = {
        "noise_dim": state.config.noise_dim,
        "width": state.config.width,
        "generator_state_dict": dict(shipped.state_dict()),
        "discriminator_state_dict": dict(state.discriminator.state_dict()),
        "optimizer_G_state_dict": state.optimizer_g.state_dict(),
        "optimizer_D_state_dict": state.optimizer_d.state_dict(),
    }
    if state.scaler.is_enabled():
        values["gradient_scaler"] = state.scaler.state_dict()
    if state.config.average_decay > 0:
        values["generator_raw_state_dict"] = dict(state.generator.state_dict())
        values["averaged_steps"] = int(state.average.n_averaged)
    return values


def restore_state(state: GanState, values: Mapping[str, Any]) -> None:
    """Put the state to what a checkpoint holds, with the learning rates of the state's config.

    Raises:
        KeyError: a value is missing.
        RuntimeError: weights do not fit the networks.
    """
    config = state.config
    averaged = config.average_decay > 0
    raw = "generator_raw_state_dict" if averaged else "generator_state_dict"
    # All is looked for first: of a file for use that lacks some, weights in 8 bits do not fit too.
    generator, discriminator = values[raw], values["discriminator_state_dict"]
    of_generator, of_discriminator = (values[f"optimizer_{side}_state_dict"] for side in "GD")
    state.generator.load_state_dict(generator)
    state.discriminator.load_state_dict(discriminator)
    _restore_optimizer(state.optimizer_g, of_generator)
    _restore_optimizer(state.optimizer_d, of_discriminator)
    if state.scaler.is_enabled():
        state.scaler.load_state_dict(dict(values["gradient_scaler"]))
    if averaged:
        state.average.module.load_state_dict(values["generator_state_dict"])
        state.average.n_averaged.fill_(values["averaged_steps"])


def _restore_optimizer(optimizer: torch.optim.Optimizer, values: Mapping[str, Any]) -> None:
    """Take up the moments and steps of a checkpoint, but keep this run's rate and kernel."""
    own = [{name: group[name] for name in _OWN} for group in optimizer.param_groups]
    groups = [held | kept for held, kept in zip(values["param_groups"], own, strict=True)]
    optimizer.load_state_dict({**values, "param_groups": groups})
