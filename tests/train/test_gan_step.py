"""One pair of training steps, by what it leaves in the networks."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from train.gan_config import GanConfig
from train.gan_state import new_state
from train.gan_step import train_step

TINY = GanConfig(batch_size=8, width=4, noise_dim=8)


@pytest.mark.parametrize("narrow", ["bf16", "fp16"])
def test_16_bits_compute_nearly_the_same_and_keep_float32_weights(narrow: str) -> None:
    """float16 is not offered on a CPU, but computed there it must come out so too."""
    figures, weights = [], []
    for mixed_precision in ("no", narrow):
        state = new_state(replace(TINY, mixed_precision=mixed_precision))
        torch.manual_seed(1)
        figures.append(train_step(state, torch.rand(8, 1, 128, 128) * 2 - 1, 0))
        assert {it.dtype for it in state.generator.parameters()} == {torch.float32}
        assert {it.dtype for it in state.discriminator.parameters()} == {torch.float32}
        weights.append(state.discriminator.conv1.weight.detach())
    assert figures[0] != figures[1]  # it did compute otherwise
    for key, value in figures[0].items():
        assert abs(figures[1][key] - value) < 0.02 * max(1, abs(value))
    moved = weights[0] - new_state(TINY).discriminator.conv1.weight
    assert (
        torch.cosine_similarity(moved.flatten(), (weights[1] - weights[0] + moved).flatten(), dim=0)
        > 0.8
    )


def test_a_slope_too_large_for_float16_moves_nothing_and_lowers_the_scale() -> None:
    state = new_state(replace(TINY, mixed_precision="fp16"))
    state.scaler.load_state_dict({**state.scaler.state_dict(), "scale": 2.0**60})
    before = [weight.detach().clone() for weight in state.discriminator.parameters()]
    train_step(state, torch.rand(8, 1, 128, 128) * 2 - 1, 0)
    assert all(map(torch.equal, before, state.discriminator.parameters()))
    assert state.scaler.get_scale() == 2.0**59


@pytest.mark.parametrize("parts", [2, 4])
def test_parts_of_a_batch_teach_what_the_whole_does(parts: int) -> None:
    """Without what sees other images: batch normalisation, here on statistics; and dropout."""
    config = replace(TINY, dropout=0.0, r1_gamma=1.0, clip_gradients=0.5)
    figures, networks = [], []
    for accumulate in (1, parts):
        state = new_state(replace(config, accumulate=accumulate))
        state.generator.eval()
        for step in range(3):
            torch.manual_seed(step)
            measured = train_step(state, torch.rand(8, 1, 128, 128) * 2 - 1, step)
        figures.append(measured)
        networks.append(nn.ModuleList([state.generator, state.discriminator]))
    assert figures[1] == pytest.approx(figures[0], rel=1e-5)
    torch.testing.assert_close(*(both.state_dict() for both in networks), rtol=1e-4, atol=1e-6)


def test_batch_normalisation_sees_a_part() -> None:
    """So parts are not quite the whole, however they are added up."""
    figures = []
    for accumulate in (1, 2):
        state = new_state(replace(TINY, dropout=0.0, accumulate=accumulate))
        torch.manual_seed(0)
        figures.append(train_step(state, torch.rand(8, 1, 128, 128) * 2 - 1, 0))
    assert figures[0]["D_real"] == pytest.approx(figures[1]["D_real"], rel=1e-6)
    assert figures[0]["D_fake"] != pytest.approx(figures[1]["D_fake"], rel=1e-6)
