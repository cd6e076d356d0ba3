"""The signs of a GAN's success and failure: each on a made history, and two on broken runs."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from checkpoints import load_model_chunked
from scripts.train_gan import command
from train import gan_signs as known
from train.gan import gan_run, train_gan
from train.gan_config import GanConfig
from train.gan_signs import Bars, gan_signs
from train.loop import EpochReport, train
from train.signs import Sign

BARS = Bars(epochs=20, real_label=1.0, roughness=0.03, blank_kid=8.0, untrained_kid=2000.0)
# An epoch of no sign at all.
PLAIN = {
    "D_loss": 1.0,
    "G_loss": 1.5,
    "D_real": 0.7,
    "D_fake": 0.25,
    "kid": 2.0,
    "diversity": 0.9,
    "variety": 0.6,
    "distinctness": 0.9,
    "roughness": 0.05,
}
TINY = GanConfig(epochs=3, batch_size=5, width=2, noise_dim=8, average_decay=0.0)


def signs_after(
    figures: Mapping[str, float], epochs: int = 2, warm_up: int = 2, bars: Bars = BARS
) -> list[str]:
    """The names of the signs where the last epochs had these figures."""
    rows = [PLAIN] * warm_up + [{**PLAIN, **figures}] * epochs
    history = {key: [row[key] for row in rows] for key in PLAIN}
    return [sign.name for sign in gan_signs(bars, history)]


def test_plain_figures_are_no_sign() -> None:
    assert signs_after({}) == []


@pytest.mark.parametrize(
    ("figures", "sign"),
    [
        ({"diversity": 0.2}, "mode-collapse"),
        ({"variety": 0.35}, "mode-collapse"),  # one kind of fruit, of two
        ({"distinctness": 0.1}, "mode-collapse"),  # a few pictures again and again
        ({"D_loss": 0.05}, "discriminator-too-strong"),
        ({"G_loss": 7.5}, "generator-loss-explodes"),
        ({"roughness": 0.9}, "only-noise"),
        ({"kid": 1500.0}, "only-noise"),
        ({"D_fake": 0.4}, "d-fake-near-half"),
        ({"D_fake": 0.6, "D_real": 0.7}, "d-fake-near-half"),
        ({"kid": 0.7}, "like-the-real-ones"),
        ({"variety": 0.8}, "diverse"),
    ],
)
def test_each_sign_shows_by_its_figures_after_two_epochs(
    figures: dict[str, float], sign: str
) -> None:
    assert signs_after(figures) == [sign]
    assert signs_after(figures, epochs=1, warm_up=3) == []
    assert signs_after(figures, epochs=2, warm_up=0) == []  # the first tenth says nothing


@pytest.mark.parametrize(
    "figures",
    [
        {"D_fake": 0.5, "D_real": 0.52},  # it only guesses
        {"variety": 0.8, "roughness": 0.9},  # noise is as diverse as can be
    ],
)
def test_what_only_looks_like_success_is_none(figures: dict[str, float]) -> None:
    found = signs_after(figures)
    assert not {"d-fake-near-half", "diverse"} & set(found)


def test_a_softened_label_raises_what_a_perfect_discriminator_still_loses() -> None:
    softened = replace(BARS, real_label=0.9)
    assert signs_after({"D_loss": 0.33}, bars=softened) == ["discriminator-too-strong"]
    assert signs_after({"D_loss": 0.33}) == []


def test_pictures_that_are_rough_themselves_make_no_noise() -> None:
    assert signs_after({"roughness": 0.6}, bars=replace(BARS, roughness=0.4)) == []


def losses(values: list[float], key: str = "D_loss") -> list[str]:
    history = {name: [PLAIN[name]] * len(values) for name in PLAIN} | {key: values}
    return [sign.name for sign in gan_signs(replace(BARS, epochs=8), history)]


def test_losses_that_jump_up_and_down_oscillate() -> None:
    assert losses([1.0, 0.3, 1.5, 0.3, 1.6, 0.3, 1.4, 0.3]) == ["losses-oscillate"]
    assert losses([9.0, 7.0, 5.0, 4.0, 3.0, 2.0, 1.5, 1.2]) == []  # they fall, and that is all
    assert losses([1.0, 0.97, 1.02, 0.98, 1.0, 1.03, 1.0, 0.99]) == ["losses-stable"]
    assert losses([0.05] * 8) == ["discriminator-too-strong"]  # and not stable


def test_a_hinge_loss_that_goes_through_nothing_does_not_jump() -> None:
    assert losses([0.1, -0.05, 0.1, -0.1, 0.05, -0.1, 0.1, -0.05], "G_loss") == []
    assert losses([1.1, -0.9, 0.8, -1.1, 0.9, -0.8, 1.0, -1.0], "G_loss") == ["losses-oscillate"]


def flags_named_by(sign: Sign) -> list[str]:
    return [word.strip(",;") for word in sign.remedy.split() if word.startswith("--")]


def test_each_remedy_names_flags_that_there_are() -> None:
    signs = [value for value in vars(known).values() if isinstance(value, Sign)]
    flags = {flag for option in command.params for flag in option.opts}
    assert len({sign.name for sign in signs}) == len(signs) == 9
    for sign in signs:
        assert sign.good is (sign.remedy == "")
        assert sign.good or flags_named_by(sign)
        assert set(flags_named_by(sign)) <= flags


def told_by(said: list[str], name: str) -> list[str]:
    return [line for line in said if f"a sign of failure, {name}:" in line]


def test_a_generator_that_draws_one_picture_is_told_to_have_collapsed(
    images: torch.Tensor, tmp_path: Path
) -> None:
    """Its weights on the latent are 0, and its rate too small for that to change."""
    said: list[str] = []
    reports: list[EpochReport] = []
    run = gan_run(replace(TINY, learning_rate=1e-12), images)
    with torch.no_grad():
        run.networks[0].get_parameter("fc.weight").zero_()
    result = train(run, images, tmp_path, announce=said.append, on_epoch=reports.append)
    (line,) = told_by(said, "mode-collapse")
    assert line.startswith("Warning: epoch 2: ")
    assert "--batch-size" in line
    assert ["mode-collapse" in names_of(report.signs) for report in reports] == [0, 1, 1]
    assert known.COLLAPSE in result.signs
    metadata = json.loads((tmp_path / "models" / "latest_metadata.json").read_text())
    assert "mode-collapse" in metadata["signs"]
    assert metadata["metrics"]["diversity"] < 0.25


def names_of(signs: tuple[Sign, ...]) -> list[str]:
    return [sign.name for sign in signs]


def test_a_discriminator_alone_at_work_is_told_to_be_too_strong(
    images: torch.Tensor, tmp_path: Path
) -> None:
    """The generator's rate is next to 0; a resumed run does not say it again."""
    said: list[str] = []
    config = replace(TINY, epochs=5, batch_size=3, learning_rate=1e-12, discriminator_rate=1e-2)
    result = train_gan(images, config, tmp_path, announce=said.append)
    (line,) = told_by(said, "discriminator-too-strong")
    assert "--discriminator-rate" in line
    assert result.history["D_loss"][-1] < 0.1
    assert told_by(said, "only-noise")
    heard: list[str] = []
    going_on: Any = replace(config, epochs=6)
    result = train_gan(images, going_on, tmp_path, resume=result.checkpoint, announce=heard.append)
    assert known.TOO_STRONG in result.signs
    assert told_by(heard, "discriminator-too-strong") == []
    assert "discriminator-too-strong" in load_model_chunked(result.checkpoint)["details"]["signs"]
