import copy
from dataclasses import replace

import pytest
import torch

from train.progress import Progress
from train.watermark_config import WatermarkConfig
from train.watermark_state import (
    STEP_KEYS,
    WatermarkState,
    _presence_loss,
    learning_rate,
    mark_rms,
    new_state,
    restore_state,
    state_values,
    train_step,
)

TINY = WatermarkConfig(
    epochs=10,
    batch_size=4,
    nbits=4,
    image_size=64,
    channels=8,
    depth=1,
    tile=4,
    depths=(1, 1, 1, 1),
    dims=(8, 8, 8, 8),
    groups=2,
    warm_up_steps=10,
    decay_share=0.4,
    fading_steps=100,
    hardening_steps=10,
    first_psnr_db=20.0,
    psnr_db=38.5,
)


def decibels(rms: float) -> float:
    return float(-20 * torch.log10(torch.tensor(rms)))


def test_marks_fade_evenly_in_decibels_and_then_stay() -> None:
    assert decibels(mark_rms(TINY, 0)) == pytest.approx(20.0, abs=1e-3)
    assert decibels(mark_rms(TINY, 50)) == pytest.approx((20 + 38.5) / 2, abs=1e-3)
    assert decibels(mark_rms(TINY, 100)) == pytest.approx(38.5, abs=1e-3)
    assert mark_rms(TINY, 5000) == mark_rms(TINY, 100)
    assert decibels(mark_rms(replace(TINY, fading_steps=0), 0)) == pytest.approx(38.5, abs=1e-3)


def test_the_rate_rises_stays_and_falls_without_reaching_zero() -> None:
    rates = [learning_rate(TINY, step, 0) for step in range(12)]
    assert rates[:10] == sorted(rates[:10])
    assert rates[9] == rates[11] == TINY.learning_rate
    by_epoch = [learning_rate(TINY, 1000, epoch) for epoch in range(TINY.epochs)]
    assert by_epoch[:6] == [TINY.learning_rate] * 6
    assert by_epoch[5:] == sorted(by_epoch[5:], reverse=True)
    assert 0 < by_epoch[-1] < 0.25 * TINY.learning_rate


def test_the_seed_decides_the_starting_weights() -> None:
    torch.manual_seed(1)
    first = state_values(new_state(TINY))["model"]
    torch.manual_seed(2)
    again = state_values(new_state(TINY))["model"]
    other = state_values(new_state(replace(TINY, seed=1)))["model"]
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["embedder.stem.0.weight"], other["embedder.stem.0.weight"])


def pixels(count: int = 4, side: int = 80) -> torch.Tensor:
    source = torch.Generator().manual_seed(5)
    return torch.randint(0, 256, (count, 3, side, side), generator=source, dtype=torch.uint8)


def stepped(state: WatermarkState, progress: Progress, seed: int) -> dict[str, float]:
    torch.manual_seed(seed)
    figures = train_step(state, progress, pixels())
    progress.step += 1
    return figures


def test_a_step_moves_both_networks_and_measures() -> None:
    state = new_state(TINY)
    before = {name: value.clone() for name, value in state_values(state)["model"].items()}
    figures = stepped(state, Progress.before_the_first_step(STEP_KEYS), 0)
    assert tuple(figures) == STEP_KEYS
    assert figures["loss"] > 0
    assert 0 <= figures["training_bit_accuracy"] <= 1
    after = state_values(state)["model"]
    moved = {
        name.partition(".")[0] for name in before if not torch.equal(before[name], after[name])
    }
    assert moved == {"embedder", "detector"}


def test_a_restored_state_goes_on_as_if_it_had_not_stopped() -> None:
    whole, progress = new_state(TINY), Progress.before_the_first_step(STEP_KEYS)
    stepped(whole, progress, 0)
    halted = new_state(replace(TINY, seed=9))
    restore_state(halted, copy.deepcopy(state_values(whole)))
    resumed = Progress.before_the_first_step(STEP_KEYS)
    resumed.step = 1
    assert stepped(halted, resumed, 1) == stepped(whole, progress, 1)
    final = state_values(whole)["model"]
    for name, value in state_values(halted)["model"].items():
        assert torch.equal(value, final[name]), name


def test_what_is_missing_or_does_not_fit_is_not_restored() -> None:
    state = new_state(TINY)
    with pytest.raises(KeyError):
        restore_state(state, {"optimizer": {}})
    other = state_values(new_state(replace(TINY, nbits=8)))
    with pytest.raises(RuntimeError, match="size mismatch"):
        restore_state(state, other)


def test_marked_and_clean_pictures_weigh_alike_however_few_are_clean() -> None:
    torch.manual_seed(0)
    present = torch.tensor([1.0] * 7 + [0.0])
    undecided = torch.zeros(8, requires_grad=True)
    torch.autograd.backward(_presence_loss(undecided, present, clean_share=1 / 8))
    assert undecided.grad is not None
    assert float(undecided.grad[:7].sum()) == pytest.approx(-float(undecided.grad[7]))
    none_clean = _presence_loss(torch.zeros(4), torch.ones(4), clean_share=0.0)
    assert 0 < float(none_clean) < 1
