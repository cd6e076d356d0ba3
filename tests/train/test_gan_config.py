"""The profiles that are offered, against what their descriptions promise."""

import json

import pytest
import torch

from chunkport.errors import BadInputError
from networks.gan import Generator
from train.fruits import FRUITS
from train.gan_config import PROFILES, GanConfig


def test_the_standard_profile_is_the_published_recipe() -> None:
    config = PROFILES["standard"].config
    assert (config.width, config.noise_dim) == (64, 100)
    assert (config.epochs, config.batch_size) == (100, 64)
    assert (config.learning_rate, config.discriminator_rate) == (2e-4, 2e-4)
    assert config.betas == (0.5, 0.999)
    assert config.real_label == 1


@pytest.mark.parametrize("name", PROFILES)
def test_profiles_survive_a_checkpoint(name: str) -> None:
    config = PROFILES[name].config
    assert GanConfig.from_dict(config.as_dict()) == config


def test_a_checkpoint_of_before_mixed_precision_was_trained_without() -> None:
    values = GanConfig(epochs=3).as_dict()
    del values["mixed_precision"]
    del values["accumulate"]
    assert GanConfig.from_dict(values) == GanConfig(epochs=3, mixed_precision="no", accumulate=1)


def test_every_setting_survives_a_checkpoint() -> None:
    config = GanConfig(diffaugment=("cutout", "brightness"), loss="hinge", r1_gamma=0.5)
    written = json.loads(json.dumps(config.as_dict()))
    assert GanConfig.from_dict(written) == config


def test_a_config_from_before_the_options_is_one_without_them() -> None:
    first = (
        *("epochs", "batch_size", "learning_rate", "discriminator_rate", "betas", "noise_dim"),
        *("width", "seed", "real_label", "average_decay", "sample_every"),
    )
    older = {key: GanConfig().as_dict()[key] for key in first}
    assert GanConfig.from_dict(older) == GanConfig()
    with pytest.raises(BadInputError, match="missing or unknown width"):
        GanConfig.from_dict({key: value for key, value in older.items() if key != "width"})


@pytest.mark.parametrize("name", PROFILES)
def test_profiles_draw_known_fruit_and_fill_their_batches(name: str) -> None:
    profile = PROFILES[name]
    assert set(profile.classes) <= set(FRUITS)
    assert profile.images_per_class * len(profile.classes) >= profile.config.batch_size


def test_the_demo_is_a_quarter_of_the_width() -> None:
    config = PROFILES["demo"].config
    generator = Generator(config.noise_dim, config.width)
    assert config.width == PROFILES["standard"].config.width / 4
    with torch.no_grad():
        assert generator.eval()(torch.zeros(1, config.noise_dim)).shape == (1, 1, 128, 128)
