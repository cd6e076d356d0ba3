import pytest
import torch

from train.scenes import render_scene
from train.watermark_config import WatermarkConfig
from train.watermark_evaluation import EVALUATION_KEYS, HeldOut, evaluate, held_out, mark
from train.watermark_state import WatermarkState, new_state

CONFIG = WatermarkConfig(
    nbits=8, image_size=64, channels=8, depth=1, tile=4, depths=(1, 1, 1, 1), dims=(8, 8, 8, 8)
)


@pytest.fixture(scope="module")
def scenes() -> torch.Tensor:
    drawn = [torch.from_numpy(render_scene(seed, size=80)) for seed in range(40)]
    return torch.stack(drawn).permute(0, 3, 1, 2)


@pytest.fixture(scope="module")
def held(scenes: torch.Tensor) -> HeldOut:
    return held_out(scenes, CONFIG.image_size, CONFIG.nbits, seed=0)


@pytest.fixture(scope="module")
def state() -> WatermarkState:
    return new_state(CONFIG)


def test_the_middle_of_each_picture_is_held_out_with_a_message_of_its_own(
    held: HeldOut, scenes: torch.Tensor
) -> None:
    assert torch.equal(held.pictures, scenes[:, :, 8:72, 8:72])
    assert held.messages.shape == (40, 8)
    assert set(held.messages.flatten().tolist()) == {0.0, 1.0}
    assert len({tuple(message) for message in held.messages.tolist()}) > 30
    again = held_out(scenes, CONFIG.image_size, CONFIG.nbits, seed=0)
    assert torch.equal(again.messages, held.messages)
    other = held_out(scenes, CONFIG.image_size, CONFIG.nbits, seed=1)
    assert not torch.equal(other.messages, held.messages)


def test_an_untrained_pair_is_as_good_as_chance_and_as_invisible_as_its_card_says(
    state: WatermarkState, held: HeldOut
) -> None:
    figures = evaluate(state, held)
    assert tuple(figures) == EVALUATION_KEYS
    assert figures["bit_accuracy"] == pytest.approx(0.5, abs=0.12)
    assert figures["attacked_bit_accuracy"] == pytest.approx(0.5, abs=0.12)
    # Clipping only ever weakens a mark; rounding to bytes adds a little.
    assert CONFIG.psnr_db - 0.1 < figures["psnr_db"] < CONFIG.psnr_db + 3


def test_bits_are_counted_as_the_detector_reads_what_is_stored(
    state: WatermarkState, held: HeldOut
) -> None:
    with torch.inference_mode():
        marked = mark(state.embedder.eval(), held.pictures.float() / 255, held.messages)
        read = state.detector.eval()(marked)[:, 1:] > 0
    right = float((read == (held.messages > 0)).float().mean())
    assert evaluate(state, held)["bit_accuracy"] == pytest.approx(right, abs=1e-6)


def test_marked_pictures_are_bytes(state: WatermarkState, held: HeldOut) -> None:
    with torch.inference_mode():
        marked = mark(state.embedder, held.pictures[:2].float() / 255, held.messages[:2])
    assert torch.allclose(marked * 255, (marked * 255).round(), atol=1e-3)
