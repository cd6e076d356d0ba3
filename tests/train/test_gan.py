"""Training runs end to end, small ones: what they leave, how they stop and how they go on."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from checkpoints import load_model_chunked
from chunkport.errors import ChunkportError, UsageError
from networks.gan import Discriminator, Generator
from train.augmentation import AUGMENTATIONS
from train.gan import train_gan
from train.gan_config import GanConfig
from train.gan_step import STEP_KEYS
from train.loop import BatchReport, DivergedError, EpochReport
from train.saving import Saving

TINY = GanConfig(epochs=2, batch_size=4, width=2, noise_dim=8, average_decay=0.9)


def test_a_run_leaves_a_checkpoint_that_the_networks_load(
    images: torch.Tensor, tmp_path: Path
) -> None:
    batches: list[BatchReport] = []
    epochs: list[EpochReport] = []
    result = train_gan(images, TINY, tmp_path, on_batch=batches.append, on_epoch=epochs.append)

    assert result.checkpoint == tmp_path / "models" / "latest_model.pth"
    assert [(report.epoch, report.batch, report.batches) for report in batches] == [
        (1, 1, 2),
        (1, 2, 2),
        (2, 1, 2),
        (2, 2, 2),
    ]
    assert [report.epoch for report in epochs] == [1, 2]
    saved = load_model_chunked(result.checkpoint)
    assert (saved["epoch"], saved["noise_dim"], saved["width"]) == (2, 8, 2)
    assert GanConfig.from_dict(saved["config"]) == TINY
    Generator(noise_dim=8, width=2).load_state_dict(saved["generator_state_dict"])
    Generator(noise_dim=8, width=2).load_state_dict(saved["generator_raw_state_dict"])
    Discriminator(width=2).load_state_dict(saved["discriminator_state_dict"])
    for key in STEP_KEYS:
        assert saved["history"][key] == list(result.history[key])
        assert len(result.history[key]) == 2
        assert all(math.isfinite(value) for value in result.history[key])
    assert saved["history"]["D_loss"][1] == pytest.approx(
        (batches[2].figures["D_loss"] + batches[3].figures["D_loss"]) / 2
    )


def test_both_networks_learn(images: torch.Tensor, tmp_path: Path) -> None:
    states = [
        load_model_chunked(train_gan(images, replace(TINY, epochs=n), tmp_path / str(n)).checkpoint)
        for n in (1, 2)
    ]
    for key in ("generator_raw_state_dict", "discriminator_state_dict"):
        for name, before in states[0][key].items():
            assert not torch.equal(before, states[1][key][name]), f"{key}/{name}"


def test_the_checkpoint_is_chunked_where_the_cap_asks_for_it(
    images: torch.Tensor, tmp_path: Path
) -> None:
    said: list[str] = []
    config = replace(TINY, epochs=1)
    result = train_gan(
        images, config, tmp_path, saving=Saving(max_chunk_mb=0.125), announce=said.append
    )
    chunks = sorted(result.checkpoint.parent.glob("latest_model.chunk_*.pth"))
    assert len(chunks) > 1
    assert all(chunk.stat().st_size <= 0.125 * 2**20 for chunk in chunks)
    assert load_model_chunked(result.checkpoint)["epoch"] == 1
    assert any("[CHUNKED]" in line for line in said)


def test_training_leaves_the_callers_random_numbers_alone(
    images: torch.Tensor, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    train_gan(images, replace(TINY, epochs=1), tmp_path)
    assert torch.equal(torch.rand(3), expected)


def test_seeds_decide_the_outcome(images: torch.Tensor, tmp_path: Path) -> None:
    runs = [
        load_model_chunked(
            train_gan(images, replace(TINY, epochs=1, seed=seed), tmp_path / name).checkpoint
        )["generator_state_dict"]["fc.weight"]
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_the_average_ships_with_statistics_that_fit_it(
    images: torch.Tensor, tmp_path: Path
) -> None:
    """In use, on its running statistics, it must draw what it draws on those of a large batch."""
    saved = load_model_chunked(train_gan(images, TINY, tmp_path).checkpoint)
    generator = Generator(noise_dim=8, width=2)
    generator.load_state_dict(saved["generator_state_dict"])
    assert not torch.equal(
        saved["generator_state_dict"]["fc.weight"], saved["generator_raw_state_dict"]["fc.weight"]
    )
    latents = torch.randn(1024, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        in_use = generator.eval()(latents)
        on_batch = generator.train()(latents)
    assert (in_use - on_batch).abs().mean() < 0.02


def test_without_an_average_the_trained_generator_ships(
    images: torch.Tensor, tmp_path: Path, assert_same: Callable[[Any, Any], None]
) -> None:
    config = replace(TINY, average_decay=0.0)
    whole = train_gan(images, config, tmp_path / "whole")
    saved = load_model_chunked(whole.checkpoint)
    assert "generator_raw_state_dict" not in saved
    first = train_gan(images, replace(config, epochs=1), tmp_path / "parts")
    second = train_gan(images, config, tmp_path / "parts", resume=first.checkpoint)
    assert_same(saved, load_model_chunked(second.checkpoint))


def test_every_option_at_once_is_resumed_to_the_same_bits(
    images: torch.Tensor, tmp_path: Path, assert_same: Callable[[Any, Any], None]
) -> None:
    """From within an epoch; the next step is one of the penalty."""
    config = replace(
        TINY,
        loss="hinge",
        upsampling="resize",
        diffaugment=tuple(AUGMENTATIONS),
        spectral_norm=True,
        r1_gamma=1.0,
        r1_every=3,
        input_noise=0.1,
        input_noise_steps=5,
        clip_gradients=1.0,
    )
    saving = Saving(every_steps=3)
    whole = train_gan(images, config, tmp_path / "whole", saving=saving)
    resume = whole.checkpoint.with_name("checkpoint_step_3.pth")
    resumed = train_gan(images, config, tmp_path / "resumed", resume=resume, saving=saving)
    assert_same(load_model_chunked(whole.checkpoint), load_model_chunked(resumed.checkpoint))


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_checkpoint(
    images: torch.Tensor, tmp_path: Path, assert_same: Callable[[Any, Any], None]
) -> None:
    first = train_gan(images, replace(TINY, epochs=1), tmp_path)
    before = load_model_chunked(first.checkpoint)
    wild = replace(TINY, epochs=3, learning_rate=1e30, discriminator_rate=1e30)
    with pytest.raises(
        DivergedError, match=r"epoch 2: the loss of batch [12] is .* checkpoint of epoch 1"
    ) as caught:
        train_gan(images, wild, tmp_path, resume=first.checkpoint)
    assert isinstance(caught.value, ChunkportError)
    assert "\n" not in str(caught.value)
    assert_same(load_model_chunked(first.checkpoint), before)


def test_a_run_that_diverged_goes_on_with_a_lower_rate(
    images: torch.Tensor, tmp_path: Path
) -> None:
    first = train_gan(images, replace(TINY, epochs=1), tmp_path)
    lower = replace(TINY, learning_rate=1e-5, discriminator_rate=2e-5)
    saved = load_model_chunked(
        train_gan(images, lower, tmp_path, resume=first.checkpoint).checkpoint
    )
    assert saved["optimizer_G_state_dict"]["param_groups"][0]["lr"] == 1e-5
    assert saved["optimizer_D_state_dict"]["param_groups"][0]["lr"] == 2e-5


def test_pictures_show_the_progress(images: torch.Tensor, tmp_path: Path) -> None:
    train_gan(images, replace(TINY, epochs=5, sample_every=3), tmp_path)
    folder = tmp_path / "training_progress"
    assert sorted(path.name for path in folder.iterdir()) == [
        "epoch_001.png",
        "epoch_003.png",
        "epoch_005.png",
    ]
    assert Image.open(folder / "epoch_003.png").size == (8 * 128, 8 * 128)


def test_fewer_images_than_a_batch_still_train(images: torch.Tensor, tmp_path: Path) -> None:
    batches: list[BatchReport] = []
    train_gan(images[:3], replace(TINY, epochs=1), tmp_path, on_batch=batches.append)
    assert len(batches) == 1


def test_one_image_is_too_few(images: torch.Tensor, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"too few images to train on \(1\)"):
        train_gan(images[:1], TINY, tmp_path)


def test_float16_is_for_gpus(images: torch.Tensor, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="fp16 needs a GPU by CUDA, and this is cpu; choose bf16"):
        train_gan(images, replace(TINY, mixed_precision="fp16"), tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs: is 0; give at least 1"),
        ({"batch_size": 1}, "batch_size: is 1; give at least 2"),
        ({"learning_rate": 0.0}, "learning_rate: is 0.0; give a finite number above 0"),
        ({"learning_rate": float("nan")}, "learning_rate: is nan; give a finite number above 0"),
        ({"seed": -1}, "seed: is -1; give at least 0"),
        ({"discriminator_rate": -1.0}, "discriminator_rate: is -1.0; give a finite number"),
        ({"real_label": 1.1}, "real_label: is 1.1; give more than 0, up to 1"),
        ({"average_decay": 1.0}, "average_decay: is 1.0; give 0 up to below 1"),
        ({"accumulate": 0}, "accumulate: is 0; give at least 1"),
        ({"accumulate": 3}, "batch_size: 4 images do not fall into equal parts by accumulate 3"),
        ({"accumulate": 4}, "4 images .* by accumulate 4; give a multiple of 8"),
        ({"mixed_precision": "fp8"}, "mixed_precision: is 'fp8'; choose no or bf16 or fp16"),
        ({"betas": (0.5, 1.0)}, "betas: is 0.5, 1.0; give two of 0 up to below 1"),
        ({"loss": "wasserstein"}, "loss: is 'wasserstein'; choose bce or hinge"),
        ({"loss": "hinge", "real_label": 0.9}, "real_label: is 0.9, which the hinge loss does not"),
        ({"upsampling": "bilinear"}, "'bilinear'; choose transposed or transposed-4 or resize"),
        ({"diffaugment": ("color",)}, "diffaugment: is color; choose of brightness, contrast"),
        ({"r1_gamma": -1.0}, "r1_gamma: is -1.0; give 0 for none, or a finite number above"),
        ({"r1_every": 0}, "r1_every: is 0; give at least 1"),
        ({"dropout": 1.0}, "dropout: is 1.0; give 0 up to below 1"),
        ({"input_noise": math.inf}, "input_noise: is inf; give 0 for none, or a finite number"),
        ({"clip_gradients": math.nan}, "clip_gradients: is nan; give 0 for none"),
        ({"initial_std": 0.0}, "initial_std: is 0.0; give a finite number above 0"),
    ],
)
def test_impossible_configs_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        replace(TINY, **change)
