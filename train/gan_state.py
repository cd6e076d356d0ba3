"""All that a GAN training run carries from one epoch to the next, in memory and on disk."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, update_bn

from checkpoints import load_model_chunked, save_model_chunked
from chunkport.errors import BadInputError, UsageError
from networks.gan import WIDTH, Discriminator, Generator
from train.gan_config import GanConfig

_INITIAL_STD = 0.02
_STATISTICS_BATCHES = 8
_STATISTICS_BATCH_SIZE = 64
HISTORY_KEYS = ("D_loss", "G_loss", "D_real", "D_fake")


@dataclass
class GanState:
    """The two networks, their optimisers, the generator's average and the history so far.

    `history` holds one mean per epoch under each of `HISTORY_KEYS`; its length is the number of
    epochs behind the state.
    """

    config: GanConfig
    generator: Generator
    discriminator: Discriminator
    average: AveragedModel
    optimizer_g: torch.optim.Adam
    optimizer_d: torch.optim.Adam
    history: dict[str, list[float]]

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return len(self.history["D_loss"])


def derived_seed(seed: int, purpose: str, epoch: int = 0) -> int:
    """A seed of its own for each use and epoch, so that a resumed run draws the same numbers.

    Hashed, because torch's generator for the CPU heeds the lowest 32 bits alone.
    """
    digest = hashlib.sha256(f"{seed} {purpose} {epoch}".encode()).digest()
    return int.from_bytes(digest[:4], "little")


def _init_weights(network: nn.Module, width: int) -> None:
    """DCGAN's starting weights (Radford et al. 2016, section 4).

    Its 0.02 suits 64 channels; fewer inputs need larger weights to pass on as strong a signal.
    """
    std = _INITIAL_STD * (WIDTH / width) ** 0.5
    for module in network.modules():
        _init_layer(module, std)


def _init_layer(module: nn.Module, std: float) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, 0.0, std)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, _INITIAL_STD)
        nn.init.zeros_(module.bias)


def _averaged(generator: Generator, decay: float) -> AveragedModel:
    """A running average of the weights that warms up, so that the first ones soon fade."""

    def blend(
        average: torch.Tensor, current: torch.Tensor, seen: torch.Tensor | int
    ) -> torch.Tensor:
        now = min(decay, (1 + int(seen)) / (10 + int(seen)))
        return torch.lerp(current, average, now)

    return AveragedModel(generator, avg_fn=blend)


def new_state(config: GanConfig, device: str = "cpu") -> GanState:
    """Networks at their starting weights, decided by the config's seed."""
    with torch.random.fork_rng():
        torch.manual_seed(derived_seed(config.seed, "weights"))
        generator = Generator(config.noise_dim, config.width)
        discriminator = Discriminator(config.width)
        _init_weights(generator, config.width)
        _init_weights(discriminator, config.width)
    generator.to(device)
    discriminator.to(device)
    betas = config.betas
    return GanState(
        config=config,
        generator=generator,
        discriminator=discriminator,
        average=_averaged(generator, config.average_decay),
        optimizer_g=torch.optim.Adam(generator.parameters(), lr=config.learning_rate, betas=betas),
        optimizer_d=torch.optim.Adam(
            discriminator.parameters(), lr=config.discriminator_rate, betas=betas
        ),
        history={key: [] for key in HISTORY_KEYS},
    )


def shipped_generator(state: GanState) -> Generator:
    """The generator meant for use: the average if there is one, with statistics of its own.

    Batch statistics that belong to the raw weights do not fit averaged ones, so they are
    computed anew, from noise that the seed and the epoch decide.
    """
    if state.config.average_decay == 0:
        return state.generator
    average = state.average
    device = next(average.parameters()).device
    source = torch.Generator().manual_seed(
        derived_seed(state.config.seed, "statistics", state.epoch)
    )
    noise = [
        torch.randn(_STATISTICS_BATCH_SIZE, state.config.noise_dim, generator=source)
        for _ in range(_STATISTICS_BATCHES)
    ]
    update_bn(noise, average, device=device)
    generator = average.module
    assert isinstance(generator, Generator)
    return generator


def save_state(
    state: GanState,
    shipped: Generator,
    path: Path,
    max_chunk_mb: float,
    announce: Callable[[str], None],
) -> None:
    """Write the checkpoint: what `generate` and `convert` read, and all that a resume needs.

    `generator_state_dict` is `shipped`, the generator meant for use. Where that is an average,
    the weights that training goes on from are beside it, under `generator_raw_state_dict`.
    """
    values: dict[str, Any] = {
        "epoch": state.epoch,
        "noise_dim": state.config.noise_dim,
        "width": state.config.width,
        "config": state.config.as_dict(),
        "history": {key: list(values) for key, values in state.history.items()},
        "generator_state_dict": dict(shipped.state_dict()),
        "discriminator_state_dict": dict(state.discriminator.state_dict()),
        "optimizer_G_state_dict": state.optimizer_g.state_dict(),
        "optimizer_D_state_dict": state.optimizer_d.state_dict(),
    }
    if state.config.average_decay > 0:
        values["generator_raw_state_dict"] = dict(state.generator.state_dict())
        values["averaged_steps"] = int(state.average.n_averaged)
    save_model_chunked(values, path, max_chunk_mb, announce=announce)


def load_state(path: Path, config: GanConfig, device: str = "cpu") -> GanState:
    """The state that `save_state` wrote, ready to go on under `config`.

    Raises:
        BadInputError: the file is damaged or is not a GAN training checkpoint.
        UsageError: it was trained under another config; only the number of epochs, the learning
            rates and how often a picture is written may change on the way.
    """
    values = load_model_chunked(path, device=device)
    _check_config(path, values, config)
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


def _check_config(path: Path, values: Mapping[str, Any], config: GanConfig) -> None:
    if not isinstance(values.get("config"), Mapping):
        raise BadInputError(f"{path}: has no config; resume from a training checkpoint")
    before, now = GanConfig.from_dict(values["config"]).as_dict(), config.as_dict()
    free = {"epochs", "sample_every", "learning_rate", "discriminator_rate"}
    changed = [
        f"{name} {before[name]} became {now[name]}"
        for name in now
        if name not in free and before[name] != now[name]
    ]
    if changed:
        raise UsageError(f"{path}: {'; '.join(changed)}; resume with the values of that run")
