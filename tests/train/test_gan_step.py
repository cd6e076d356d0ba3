"""One pair of training steps, by what it leaves in the networks."""

from dataclasses import replace

import torch

from train.gan_config import GanConfig
from train.gan_state import new_state
from train.gan_step import train_step

TINY = GanConfig(batch_size=8, width=4, noise_dim=8)


def test_bfloat16_computes_nearly_the_same_and_keeps_float32_weights() -> None:
    figures, weights = [], []
    for mixed_precision in ("no", "bf16"):
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
