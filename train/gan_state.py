"""All that a GAN training run carries from one step to the next."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, update_bn

from networks.gan import WIDTH, Discriminator, Generator
from train.gan_config import GanConfig

_INITIAL_STD = 0.02
_STATISTICS_BATCHES = 8
_STATISTICS_BATCH_SIZE = 64
HISTORY_KEYS = ("D_loss", "G_loss", "D_real", "D_fake")
"""What the values of a `StepReport` are called in checkpoints, in its order."""


@dataclass(frozen=True)
class StepReport:
    """Losses of one pair of steps, and the discriminator's mean answers (0 fake to 1 real)."""

    d_loss: float
    g_loss: float
    d_real: float
    d_fake: float


@dataclass
class GanState:
    """The two networks, their optimisers, the generator's average and the history so far.

    Attributes:
        config: what the run was told.
        history: one mean per epoch under each of `HISTORY_KEYS`; its length is the number of
            epochs behind the state.
        step: pairs of steps behind it, over all epochs.
        epoch_steps: those of the epoch that is under way.
        random_state: PyTorch's random states after the last of them; None before the first.
    """

    config: GanConfig
    generator: Generator
    discriminator: Discriminator
    average: AveragedModel
    optimizer_g: torch.optim.Adam
    optimizer_d: torch.optim.Adam
    history: dict[str, list[float]]
    step: int = 0
    epoch_steps: list[StepReport] = field(default_factory=list)
    random_state: dict[str, Any] | None = None

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return len(self.history["D_loss"])


def mean_report(steps: Sequence[StepReport]) -> StepReport:
    """The mean of at least one step."""
    return StepReport(
        d_loss=math.fsum(step.d_loss for step in steps) / len(steps),
        g_loss=math.fsum(step.g_loss for step in steps) / len(steps),
        d_real=math.fsum(step.d_real for step in steps) / len(steps),
        d_fake=math.fsum(step.d_fake for step in steps) / len(steps),
    )


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
