"""The GAN's training step beside a plain loop of the same: python -m benchmarks.gan_step.

The plain loop is as one writes it down: nn.Dropout, the default Adam, new fakes for each network,
every figure read when it is there, all in float32, and no average of the weights. Both are timed
in turns, and so is our step with each of its measures left out alone. Exits 1 where ours is not at
least as fast as the plain one.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

import click
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.optim.swa_utils import AveragedModel
from torch.utils.flop_counter import FlopCounterMode

from networks.gan import Discriminator, Generator
from scripts._cli import run
from scripts._options import chunkport_command
from scripts._output import Column, Output, number
from train.gan_config import PROFILES, GanConfig
from train.gan_state import GanState, new_state
from train.gan_step import train_step
from verify.benchmark.machine import machine
from verify.benchmark.timing import Times

_Step = Callable[[], object]
_PLAIN, _OURS = "plain loop", "ours"
_CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}
_COLUMNS = (
    Column("step", "step"),
    Column("min_ms", "least ms", number, right=True),
    Column("p50_ms", "median ms", number, right=True),
    Column("spread", "spread", number, right=True),
    Column("speed_min", "x plain, least", number, right=True),
    Column("speed_p50", "x plain, median", number, right=True),
    Column("cost_of_lacking", "x as long as ours", number, right=True),
    Column("images_per_s", "images/s", number, right=True),
    Column("gflop_per_s", "GFLOP/s", number, right=True),
)


@chunkport_command("gan-step")
@click.option("--profile", type=click.Choice([*PROFILES]), default="demo", help="The size.")
@click.option("--batch-size", type=click.IntRange(min=2), default=16, help="Pictures per step.")
@click.option("--mixed-precision", type=click.Choice(["no", "bf16"]), default="no", help="Ours.")
@click.option("--rounds", type=click.IntRange(min=2), default=10, help="Steps of each, in turns.")
@click.option("--num-threads", type=click.IntRange(min=1), default=1, help="PyTorch's.")
@click.option(
    "--clock",
    type=click.Choice([*_CLOCKS]),
    default="wall",
    help="processor: its time in all threads, which other programs disturb less.",
)
def command(
    output: Output,
    *,
    profile: str,
    batch_size: int,
    mixed_precision: str,
    rounds: int,
    num_threads: int,
    clock: str,
) -> int:
    """Time the plain step, ours, and ours without each of what makes it faster."""
    torch.set_num_threads(num_threads)
    config = replace(
        PROFILES[profile].config, batch_size=batch_size, mixed_precision=mixed_precision
    )
    real = torch.rand(batch_size, 1, 128, 128) * 2 - 1
    steps = _steps(config, real)
    gflop = {name: _gflop(step) for name, step in steps.items()}  # and the first step of each
    turns: dict[str, list[float]] = {name: [] for name in steps}
    now = _CLOCKS[clock]
    with output.progress("steps", rounds) as advance:
        for _ in range(rounds):
            for name, step in steps.items():
                began = now()
                step()
                turns[name].append(now() - began)
            advance()
    times = {name: Times(tuple((one,) for one in each)) for name, each in turns.items()}
    rows = [_row(name, times, gflop[name], batch_size) for name in steps]
    ours = next(row for row in rows if row["step"] == _OURS)
    output.fact("machine", machine())
    title = (
        f"{profile}, {batch_size} pictures, {rounds} rounds, {num_threads} threads, {clock} time"
    )
    output.table("steps", title, _COLUMNS, rows)
    return 0 if min(ours["speed_min"], ours["speed_p50"]) >= 1 else 1


def _row(name: str, times: dict[str, Times], gflop: float, batch_size: int) -> dict[str, Any]:
    here, plain, ours = times[name], times[_PLAIN], times[_OURS]
    lacks = name not in (_PLAIN, _OURS)
    return {
        "step": name,
        "min_ms": here.min_ms,
        "p50_ms": here.p50_ms,
        "spread": here.spread,
        "speed_min": plain.min_ms / here.min_ms,
        "speed_p50": plain.p50_ms / here.p50_ms,
        "cost_of_lacking": here.p50_ms / ours.p50_ms if lacks else None,
        "images_per_s": 1e3 * batch_size / here.p50_ms,
        "gflop": gflop,
        "gflop_per_s": 1e3 * gflop / here.p50_ms,
    }


def _gflop(step: _Step) -> float:
    """Of the matrix products and convolutions, forth and back."""
    with FlopCounterMode(display=False) as counter:
        step()
    return float(counter.get_total_flops()) / 1e9


def _steps(config: GanConfig, real: torch.Tensor) -> dict[str, _Step]:
    def ours(state: GanState) -> _Step:
        return lambda: train_step(state, real, 0)

    steps = {
        _PLAIN: _plain(config, real),
        _OURS: ours(new_state(config)),
        "without short random numbers": ours(_with_long_numbers(new_state(config))),
        "without channels last": ours(_with_channels_first(new_state(config))),
        "without fused Adam": ours(_with_default_adam(new_state(config))),
        "without averaging in place": ours(_with_copied_average(new_state(config))),
        "without sparing gradients": ours(_with_all_gradients(new_state(config))),
        "without reusing fakes": _with_new_fakes(new_state(config), real),
    }
    if config.mixed_precision != "no":
        in_float32 = replace(config, mixed_precision="no")
        steps[f"without {config.mixed_precision}"] = ours(new_state(in_float32))
    return steps


def _plain(config: GanConfig, real: torch.Tensor) -> _Step:
    generator = Generator(config.noise_dim, config.width)
    discriminator = Discriminator(config.width, config.dropout)
    adam_g = torch.optim.Adam(generator.parameters(), config.learning_rate, config.betas)
    adam_d = torch.optim.Adam(discriminator.parameters(), config.discriminator_rate, config.betas)
    ones, zeros = torch.full((len(real), 1), config.real_label), torch.zeros(len(real), 1)
    error = binary_cross_entropy_with_logits

    def step() -> tuple[float, ...]:
        adam_d.zero_grad()
        fake = generator(torch.randn(len(real), config.noise_dim)).detach()
        on_real, on_fake = discriminator(real), discriminator(fake)
        d_loss = error(on_real, ones) + error(on_fake, zeros)
        torch.autograd.backward(d_loss)
        adam_d.step()
        told = (d_loss.item(), on_real.sigmoid().mean().item(), on_fake.sigmoid().mean().item())
        adam_g.zero_grad()
        fake = generator(torch.randn(len(real), config.noise_dim))
        g_loss = error(discriminator(fake), torch.ones(len(real), 1))
        torch.autograd.backward(g_loss)
        adam_g.step()
        return (*told, g_loss.item())

    return step


def _with_long_numbers(state: GanState) -> GanState:
    state.discriminator.dropout = nn.Dropout(state.config.dropout)
    return state


def _with_channels_first(state: GanState) -> GanState:
    """Undoes what the hooks before did."""
    for convolution in (state.generator.deconv1, state.discriminator.conv1):
        convolution.register_forward_pre_hook(
            lambda _layer, inputs: (inputs[0].clone(memory_format=torch.contiguous_format),)
        )
    return state


def _with_default_adam(state: GanState) -> GanState:
    rate, betas = state.config.learning_rate, state.config.betas
    return replace(
        state,
        optimizer_g=torch.optim.Adam(state.generator.parameters(), rate, betas),
        optimizer_d=torch.optim.Adam(state.discriminator.parameters(), rate, betas),
    )


def _with_copied_average(state: GanState) -> GanState:
    """As PyTorch's documentation shows it."""
    kept = state.config.average_decay
    average = AveragedModel(
        state.generator, avg_fn=lambda average, now, _seen: kept * average + (1 - kept) * now
    )
    return replace(state, average=average)


class _UnsparedDiscriminator(Discriminator):
    """All of whose gradients are computed, whether somebody wants them or not."""

    def requires_grad_(
        self,
        requires_grad: bool = True,  # noqa: ARG002, FBT001, FBT002 - PyTorch's signature
    ) -> Self:
        """Not heeded."""
        return self


def _with_all_gradients(state: GanState) -> GanState:
    state.discriminator.__class__ = _UnsparedDiscriminator
    return state


def _with_new_fakes(state: GanState, real: torch.Tensor) -> _Step:
    """The other fakes cost one more pass through the generator."""
    narrow = state.config.mixed_precision == "bf16"

    def step() -> None:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=narrow):
            state.generator(torch.randn(len(real), state.config.noise_dim))
        train_step(state, real, 0)

    return step


if __name__ == "__main__":
    run(command)
