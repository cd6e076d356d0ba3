"""What a checkpoint holds of a GAN's training fits what it does not come from, too."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from networks.gan import Generator
from train.gan_checkpoint import restore_state, state_values
from train.gan_config import GanConfig
from train.gan_state import GanState, new_state
from train.gan_step import train_step

TINY = GanConfig(epochs=2, batch_size=4, width=2, noise_dim=8, average_decay=0.9)
OTHER_KERNEL = {"lr": 0.5, "fused": None, "foreach": False}


def trained(steps: int) -> GanState:
    state = new_state(TINY)
    torch.manual_seed(steps)
    for step in range(steps):
        train_step(state, torch.rand(4, 1, 128, 128) * 2 - 1, step)
    return state


def values_of(state: GanState) -> dict[str, Any]:
    shipped = state.average.module
    assert isinstance(shipped, Generator)
    return deepcopy(state_values(state, shipped))


def weights(network: nn.Module) -> torch.Tensor:
    return torch.cat([weight.detach().flatten() for weight in network.parameters()])


def go_on(state: GanState) -> torch.Tensor:
    torch.manual_seed(7)
    train_step(state, torch.rand(4, 1, 128, 128) * 2 - 1, 2)
    return torch.cat([weights(state.generator), weights(state.discriminator)])


def test_a_checkpoint_of_an_adam_that_goes_term_by_term_is_gone_on_from() -> None:
    """As older versions, and trainings of one's own, leave it; the rate is this run's."""
    values = values_of(trained(2))
    for key in ("optimizer_G_state_dict", "optimizer_D_state_dict"):
        values[key]["param_groups"][0] |= OTHER_KERNEL
    restored = new_state(TINY)
    restore_state(restored, values)
    assert torch.equal(go_on(restored), go_on(trained(2)))
    for optimizer in (restored.optimizer_g, restored.optimizer_d):
        assert optimizer.param_groups[0]["fused"]
        assert optimizer.param_groups[0]["lr"] == TINY.learning_rate


def test_an_adam_of_ones_own_goes_on_from_our_checkpoint() -> None:
    state = trained(2)
    values = values_of(state)
    own = torch.optim.Adam(state.generator.parameters(), lr=TINY.learning_rate)
    own.load_state_dict(values["optimizer_G_state_dict"])
    own.param_groups[0]["fused"] = False
    before = deepcopy(state.generator)
    for weight in state.generator.parameters():
        weight.grad = torch.ones_like(weight)
    state.optimizer_g.step()
    fused = weights(state.generator)
    state.generator.load_state_dict(before.state_dict())
    own.step()
    assert weights(state.generator).numpy() == pytest.approx(fused.numpy(), rel=1e-5, abs=1e-8)
    assert not torch.equal(fused, weights(before))


def test_the_average_follows_as_its_decay_says() -> None:
    """The first steps count for more: (1 + n) / (10 + n) of the old is kept, 0.9 at most."""
    state = new_state(TINY)
    expected = 0.0
    for step, value in enumerate((3.0, -1.0, 5.0)):
        with torch.no_grad():
            state.generator.fc.weight.fill_(value)
        state.average.update_parameters(state.generator)
        average = state.average.get_parameter("module.fc.weight").detach()
        kept = (1 + step) / (10 + step) if step else 0.0
        expected = kept * expected + (1 - kept) * value
        assert average.numpy() == pytest.approx(expected, rel=1e-6)


def test_the_scale_of_float16_goes_on_where_it_was() -> None:
    config = replace(TINY, mixed_precision="fp16")
    state, restored = new_state(config), new_state(config)
    state.scaler.load_state_dict({**state.scaler.state_dict(), "scale": 2.0**7})
    train_step(state, torch.rand(4, 1, 128, 128) * 2 - 1, 0)
    restore_state(restored, values_of(state))
    assert restored.scaler.state_dict() == state.scaler.state_dict()
    assert restored.scaler.get_scale() == 2.0**7
    assert "gradient_scaler" not in values_of(trained(0))
