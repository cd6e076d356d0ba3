"""What the recipe's options do to a step, seen in gradients, weights and answers."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from train.gan_config import GanConfig
from train.gan_losses import gradient_penalty
from train.gan_state import GanState, new_state
from train.gan_step import train_step

TINY = GanConfig(batch_size=8, width=4, noise_dim=8)
PLAIN = GanConfig(batch_size=4, width=2, noise_dim=8, dropout=0.0, average_decay=0.0)


@pytest.fixture(scope="module")
def real() -> torch.Tensor:
    source = torch.Generator().manual_seed(0)
    return torch.rand(4, 1, 128, 128, generator=source) * 2 - 1


def stepped(real: torch.Tensor, step: int, **changes: Any) -> tuple[GanState, dict[str, float]]:
    """The state after one step at that place of a run, its gradients still there."""
    state = new_state(replace(PLAIN, **changes))
    torch.manual_seed(0)
    return state, train_step(state, real, step)


def gradients(state: GanState) -> list[torch.Tensor]:
    return [weight.grad for weight in state.discriminator.parameters() if weight.grad is not None]


def length_of_gradients(network: nn.Module) -> float:
    found = [weight.grad for weight in network.parameters() if weight.grad is not None]
    return torch.nn.utils.get_total_norm(found).item()


def test_the_penalty_comes_every_so_many_steps_and_as_many_times_as_strong(
    real: torch.Tensor,
) -> None:
    without, plain = stepped(real, 0)
    network = new_state(PLAIN).discriminator
    penalty = gradient_penalty(network, real)
    slopes = torch.autograd.grad(penalty, list(network.parameters()), allow_unused=True)
    for step, factor in ((0, 1), (1, 0), (2, 0), (3, 1), (6, 1)):
        state, figures = stepped(real, step, r1_gamma=5.0, r1_every=3)
        assert figures["D_loss"] == plain["D_loss"], "it is told without the penalty"
        for found, before, slope in zip(gradients(state), gradients(without), slopes, strict=True):
            added = 0 if slope is None else factor * 5 / 2 * 3 * slope
            torch.testing.assert_close(found, before + added)


def test_noise_fades_and_is_gone(real: torch.Tensor) -> None:
    def share(step: int) -> float:
        noisy = stepped(real, step, input_noise=1.0, input_noise_steps=10)[1]
        return abs(noisy["D_real"] - stepped(real, step)[1]["D_real"])

    assert share(0) > share(9) > 0
    assert share(10) == share(11) == 0


@pytest.mark.parametrize(
    "change", [{"diffaugment": ("translation",)}, {"loss": "hinge"}, {"upsampling": "resize"}]
)
def test_an_option_changes_both_steps(real: torch.Tensor, change: dict[str, Any]) -> None:
    plain, changed = stepped(real, 0)[1], stepped(real, 0, **change)[1]
    assert plain["D_loss"] != changed["D_loss"]
    assert plain["G_loss"] != changed["G_loss"]


def test_the_discriminator_is_shown_all_as_changed_and_the_penalty_is_there(
    real: torch.Tensor,
) -> None:
    """Real pictures and generated ones, and these again while the generator learns."""
    state = new_state(replace(PLAIN, diffaugment=("cutout",), r1_gamma=1.0))
    seen: list[torch.Tensor] = []
    state.discriminator.register_forward_pre_hook(lambda _it, inputs: seen.append(inputs[0]))
    train_step(state, real, 0)
    of_real, of_fake, of_penalty, of_generator = seen
    for images in (of_real, of_fake, of_generator):
        assert ((images == 0).sum((1, 2, 3)) >= 32 * 32).all()  # a corner of a square at least
    assert torch.equal(of_penalty, of_real)
    assert not torch.equal(of_generator == 0, of_fake == 0), "drawn anew"


def test_gradients_are_cut_to_length_in_both_networks(real: torch.Tensor) -> None:
    state, _ = stepped(real, 0, clip_gradients=1e-3)
    for network in (state.generator, state.discriminator):
        assert length_of_gradients(network) == pytest.approx(1e-3, rel=1e-3)
    assert length_of_gradients(stepped(real, 0)[0].discriminator) > 1e-2


def test_float16_does_not_cut_gradients_for_the_scale_that_they_have(real: torch.Tensor) -> None:
    moments = []
    for longest in (0.0, 1e3):  # of 65,536 times their own length
        state, _ = stepped(real, 0, mixed_precision="fp16", clip_gradients=longest)
        weights = state.discriminator.parameters()
        moments.append([state.optimizer_d.state[weight]["exp_avg"] for weight in weights])
    torch.testing.assert_close(*moments)


def test_spectral_norm_bounds_every_layer(real: torch.Tensor) -> None:
    def stretches(state: GanState) -> list[float]:
        network = state.discriminator.eval()
        layers = (network.conv1, network.conv2, network.conv3, network.conv4, network.fc)
        norms = [torch.linalg.matrix_norm(layer.weight.flatten(1), 2) for layer in layers]
        return [norm.item() for norm in norms]

    state = new_state(replace(PLAIN, spectral_norm=True, discriminator_rate=0.05))
    for step in range(3):
        train_step(state, real, step)
    assert stretches(state) == pytest.approx([1] * 5, abs=0.15)
    plain = new_state(replace(PLAIN, discriminator_rate=0.05))
    for step in range(3):
        train_step(plain, real, step)
    assert max(stretches(plain)) > 2


def test_starting_weights_have_the_deviation_asked_for() -> None:
    weight = new_state(replace(PLAIN, width=64, initial_std=0.05)).generator.fc.weight
    assert weight.std().item() == pytest.approx(0.05, rel=0.01)


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


def test_gradients_of_parts_are_as_long_as_those_of_the_whole() -> None:
    """Adam is blind to their length, and so are the weights after it."""
    lengths = []
    for accumulate in (1, 4):
        state = new_state(replace(TINY, dropout=0.0, accumulate=accumulate))
        state.generator.eval()
        torch.manual_seed(0)
        train_step(state, torch.rand(8, 1, 128, 128) * 2 - 1, 0)
        lengths.append([length_of_gradients(it) for it in (state.generator, state.discriminator)])
    assert lengths[1] == pytest.approx(lengths[0], rel=1e-3)


def test_the_average_follows_every_step(real: torch.Tensor) -> None:
    state = new_state(replace(PLAIN, average_decay=0.9))
    weight = state.average.get_parameter("module.fc.weight")
    for step in range(2):
        before = weight.detach().clone()
        train_step(state, real, step)
        assert int(state.average.n_averaged) == step + 1
        assert not torch.equal(weight, before)


def test_batch_normalisation_sees_a_part() -> None:
    """So parts are not quite the whole, however they are added up."""
    figures = []
    for accumulate in (1, 2):
        state = new_state(replace(TINY, dropout=0.0, accumulate=accumulate))
        torch.manual_seed(0)
        figures.append(train_step(state, torch.rand(8, 1, 128, 128) * 2 - 1, 0))
    assert figures[0]["D_real"] == pytest.approx(figures[1]["D_real"], rel=1e-6)
    assert figures[0]["D_fake"] != pytest.approx(figures[1]["D_fake"], rel=1e-6)
