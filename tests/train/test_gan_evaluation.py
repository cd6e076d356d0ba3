"""What is measured of a GAN's pictures after an epoch, and what that makes the best."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from checkpoints import load_model_chunked
from train.fruits import render_fruit
from train.gan import train_gan
from train.gan_config import GanConfig
from train.gan_evaluation import (
    EVALUATION_KEYS,
    Looks,
    compare,
    gan_evaluation,
    look_at,
    pictures_compared,
)
from train.images import to_unit_range

TINY = GanConfig(epochs=3, batch_size=5, width=2, noise_dim=8, average_decay=0.0)
Images = NDArray[np.float32]


def drawn(kind: str, first: int = 0, count: int = 24) -> Images:
    pixels = np.stack([render_fruit(kind, seed) for seed in range(first, first + count)])
    return to_unit_range(torch.from_numpy(pixels)[:, None]).numpy()


@pytest.fixture(scope="module")
def apples() -> Looks:
    return look_at(drawn("Apple"))


def test_other_pictures_of_the_same_kind_are_near_and_as_diverse(apples: Looks) -> None:
    same = compare(look_at(drawn("Apple", 100)), apples)
    other = compare(look_at(drawn("Banana")), apples)
    assert same.keys() == {*EVALUATION_KEYS}
    assert abs(same["kid"]) < other["kid"] / 10
    for key in ("diversity", "variety", "distinctness"):
        assert same[key] == pytest.approx(1, abs=0.25)
    itself = compare(apples, apples)
    assert itself["kid"] == 0
    assert itself["diversity"] == itself["variety"] == itself["distinctness"] == 1


def test_noise_is_rough_and_repeats_are_not_distinct(apples: Looks) -> None:
    source = np.random.default_rng(0)
    noise = source.normal(0, 0.3, (24, 1, 128, 128)).astype(np.float32)
    rough = compare(look_at(noise), apples)
    assert rough["roughness"] == pytest.approx(1, abs=0.01)
    assert rough["kid"] > 100
    twice = compare(look_at(np.tile(drawn("Apple", count=12), (2, 1, 1, 1))), apples)
    assert twice["distinctness"] == pytest.approx(0, abs=1e-3)
    assert twice["diversity"] > 0.8
    blank = compare(look_at(np.full((24, 1, 128, 128), 0.5, np.float32)), apples)
    assert blank["roughness"] == blank["diversity"] == blank["variety"] == 0


def test_how_much_pictures_differ_is_told_of_all_of_them_whatever_their_order() -> None:
    """Folders are read kind by kind; more than 200 pictures are not compared by pixel."""
    levels = np.linspace(-0.5, 0.5, 3, dtype=np.float32).repeat(100)
    sorted_ones = np.broadcast_to(levels[:, None, None, None], (300, 1, 128, 128))
    mixed = sorted_ones[np.random.default_rng(0).permutation(300)]
    assert look_at(sorted_ones).apart == pytest.approx(look_at(mixed).apart, rel=0.05)


def test_the_best_is_the_nearest_by_kid_and_says_what_it_reached(
    images: torch.Tensor, tmp_path: Path
) -> None:
    result = train_gan(images, TINY, tmp_path)
    kid = result.history["kid"]
    assert len(set(kid)) == 3
    assert result.best is not None
    best = load_model_chunked(result.best)
    assert best["epoch"] == kid.index(min(kid)) + 1
    models = tmp_path / "models"
    index = json.loads((models / "models_index.json").read_text())
    assert (index["metric"], index["mode"]) == ("kid", "min")
    told = json.loads((models / "best_metadata.json").read_text())
    assert told["metrics"]["kid"] == min(kid) == best["history"]["kid"][best["epoch"] - 1]
    assert (told["epoch"], told["noise_dim"]) == (best["epoch"], 8)
    for key in ("D_loss", "G_loss", "D_fake"):
        assert told[f"avg_{key}"] == result.history[key][best["epoch"] - 1]
    assert told["timestamp"][:2] == "20"


def test_evaluating_less_often_changes_nothing_else(
    images: torch.Tensor, tmp_path: Path, assert_same: Callable[[Any, Any], None]
) -> None:
    """The first and third epochs of three are not due, but the last one counts anyway."""
    always = train_gan(images, TINY, tmp_path / "always")
    seldom = train_gan(images, replace(TINY, evaluate_every=2), tmp_path / "seldom")
    for key in EVALUATION_KEYS:
        assert math.isnan(seldom.history[key][0])
        assert seldom.history[key][1:] == always.history[key][1:]
    for key in ("generator_state_dict", "discriminator_state_dict", "optimizer_G_state_dict"):
        assert_same(
            load_model_chunked(always.checkpoint)[key], load_model_chunked(seldom.checkpoint)[key]
        )
    metadata = (tmp_path / "seldom" / "models" / "models_index.json").read_text()
    json.loads(metadata, parse_constant=pytest.fail)


def test_a_run_of_before_goes_on_with_what_it_never_measured_unknown(
    images: torch.Tensor, tmp_path: Path
) -> None:
    first = train_gan(images, replace(TINY, epochs=2), tmp_path)
    values = load_model_chunked(first.checkpoint)
    for key in EVALUATION_KEYS:
        del values["history"][key]
    del values["config"]["evaluate_every"]
    old = tmp_path / "old.pth"
    torch.save(values, old)
    said: list[str] = []
    result = train_gan(images, TINY, tmp_path / "on", resume=old, announce=said.append)
    assert [line for line in said if "does not tell kid, diversity, " in line] == [
        f"{old}: does not tell {', '.join(EVALUATION_KEYS)} of the epochs before it."
    ]
    assert [math.isnan(kid) for kid in result.history["kid"]] == [True, True, False]
    assert result.history["D_loss"][:2] == first.history["D_loss"]
    assert result.best is not None
    assert load_model_chunked(result.best)["epoch"] == 3


def test_pictures_that_say_little_are_told_of_once(noise: torch.Tensor, tmp_path: Path) -> None:
    rough = torch.nn.functional.interpolate(noise.float(), size=128).to(torch.uint8)
    said: list[str] = []
    train_gan(rough, replace(TINY, epochs=2), tmp_path, announce=said.append)
    assert len([line for line in said if "unlike any fruit" in line]) == 1


def test_two_pictures_are_too_few_to_compare_with(images: torch.Tensor) -> None:
    said: list[str] = []
    evaluation = gan_evaluation(TINY, images[:2], "cpu", said.append)
    assert len(said) == 1
    assert said[0].startswith("Warning: KID needs at least 3 pictures, and there are 2")
    assert evaluation.real is None


@pytest.mark.parametrize(
    ("pictures", "compared"), [(10, 10), (100, 64), (400, 100), (1000, 250), (5000, 500)]
)
def test_the_cost_stays_a_small_part_of_an_epoch(pictures: int, compared: int) -> None:
    assert pictures_compared(pictures) == compared
