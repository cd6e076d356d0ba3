"""The networks of a GAN training run and what trains them."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.optim.swa_utils import PARAM_LIST, AveragedModel, update_bn

from networks.gan import Discriminator, Generator, start_weights
from train.dropout import CpuDropout
from train.gan_config import GanConfig
from train.processes import ALONE, Processes
from train.seeds import derived_seed
from train.whole_batch import see_the_whole_batch

_STATISTICS_BATCHES = 8
_STATISTICS_BATCH_SIZE = 64


@dataclass(frozen=True)
class GanState:
    """The two networks, their optimisers and the generator's average, as `config` wants them.

    `scaler` keeps float16's gradients from vanishing; in other precisions it does nothing.
    """

    config: GanConfig
    generator: Generator
    discriminator: Discriminator
    average: AveragedModel
    optimizer_g: torch.optim.Adam
    optimizer_d: torch.optim.Adam
    scaler: torch.amp.GradScaler
    processes: Processes = ALONE


def _averaged(generator: Generator, decay: float) -> AveragedModel:
    """A running average of the weights that warms up, so that the first ones soon fade."""

    def blend(averages: PARAM_LIST, currents: PARAM_LIST, seen: torch.Tensor | int) -> None:
        now = min(decay, (1 + int(seen)) / (10 + int(seen)))
        for average, current in zip(averages, currents, strict=True):
            average.lerp_(current, 1 - now)

    return AveragedModel(generator, multi_avg_fn=blend)


def _channels_last(_convolution: nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
    """Its input in the layout that convolutions are faster in on a CPU, and all after it too.

    The weights, and so what a checkpoint holds, stay as they are.
    """
    (images,) = inputs
    return (images.clone(memory_format=torch.channels_last),) if images.is_cpu else inputs


def new_state(config: GanConfig, processes: Processes = ALONE) -> GanState:
    """Networks at their starting weights, decided by the config's seed."""
    with torch.random.fork_rng():
        torch.manual_seed(derived_seed(config.seed, "weights"))
        generator = Generator(config.noise_dim, config.width, config.upsampling)
        discriminator = Discriminator(config.width, config.dropout)
        discriminator.dropout = CpuDropout(config.dropout)
        for network in (generator, discriminator):
            start_weights(network, config.initial_std)
        if config.spectral_norm:
            discriminator.limit_gain()
    for convolution in (generator.deconv1, discriminator.conv1):
        convolution.register_forward_pre_hook(_channels_last)
    generator.to(processes.device)
    discriminator.to(processes.device)
    average = _averaged(generator, config.average_decay)  # which no process shares with another
    if processes.count > 1:
        see_the_whole_batch(generator, processes)
        see_the_whole_batch(discriminator, processes)
    device = torch.device(processes.device).type
    return GanState(
        config=config,
        generator=generator,
        discriminator=discriminator,
        average=average,
        optimizer_g=_adam(generator, config.learning_rate, config.betas),
        optimizer_d=_adam(discriminator, config.discriminator_rate, config.betas),
        scaler=torch.amp.GradScaler(device, enabled=config.mixed_precision == "fp16"),
        processes=processes,
    )


def _adam(network: nn.Module, rate: float, betas: tuple[float, float]) -> torch.optim.Adam:
    """Fused: weights and moments are gone through once, not once for each term."""
    return torch.optim.Adam(network.parameters(), lr=rate, betas=betas, fused=True)


def learning_rates(state: GanState) -> dict[str, float]:
    """As the optimisers have them now, by the config's names."""
    return {
        "learning_rate": state.optimizer_g.param_groups[0]["lr"],
        "discriminator_rate": state.optimizer_d.param_groups[0]["lr"],
    }


def shipped_generator(state: GanState, epoch: int) -> Generator:
    """The generator meant for use: the average if there is one, with statistics of its own.

    Batch statistics that belong to the raw weights do not fit averaged ones, so they are
    computed anew, from noise that the seed and the number of epochs done decide.
    """
    if state.config.average_decay == 0:
        return state.generator
    average = state.average
    device = next(average.parameters()).device
    source = torch.Generator().manual_seed(derived_seed(state.config.seed, "statistics", epoch))
    noise = [
        torch.randn(_STATISTICS_BATCH_SIZE, state.config.noise_dim, generator=source)
        for _ in range(_STATISTICS_BATCHES)
    ]
    update_bn(noise, average, device=device)
    generator = average.module
    assert isinstance(generator, Generator)
    return generator
