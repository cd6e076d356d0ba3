"""The recipe's flags: each a setting of the config, with the same choices."""

from typing import Any

import click
import pytest
from click.testing import CliRunner

from chunkport.errors import UsageError
from networks.gan import UPSAMPLINGS
from scripts._gan_recipe import recipe_by_flags
from scripts.train_gan import command
from train.augmentation import AUGMENTATIONS
from train.gan_config import MIXED_PRECISIONS, PROFILES, GanConfig
from train.gan_losses import LOSSES

DEMO = PROFILES["demo"].config
FLAGS = {param.name: param for param in command.params}


def test_every_setting_has_a_flag() -> None:
    settings = {*GanConfig.__dataclass_fields__} - {"betas"} | {"beta1", "beta2"}
    unset = command.make_context("train-gan", []).params
    assert {name: unset[name] for name in settings} == dict.fromkeys(settings), "profiles decide"


@pytest.mark.parametrize(
    ("name", "choices"),
    [("loss", LOSSES), ("upsampling", UPSAMPLINGS), ("mixed_precision", MIXED_PRECISIONS)],
)
def test_the_flags_choices_are_the_configs(name: str, choices: Any) -> None:
    kind = FLAGS[name].type
    assert isinstance(kind, click.Choice)
    assert list(kind.choices) == list(choices)


def test_help_groups_the_flags_and_names_every_augmentation() -> None:
    shown = CliRunner().invoke(command, ["--help"]).stdout
    titles = [line for line in shown.splitlines() if line.endswith(":") and line[0].isalpha()]
    assert titles == [
        "Options:",
        "Training:",
        "Networks:",
        "Optimisers:",
        "What the discriminator learns:",
    ]
    assert all(kind in shown for kind in AUGMENTATIONS)


def changed(**flags: Any) -> dict[str, Any]:
    """What these flags make other than the demo has it."""
    given = {"save_every": 3, **dict.fromkeys(("loss", "diffaugment", "beta1", "beta2")), **flags}
    found = recipe_by_flags(DEMO, given).as_dict()
    assert given == {"save_every": 3}, "what is not the recipe's is left"
    return {key: value for key, value in found.items() if value != DEMO.as_dict()[key]}


def test_flags_change_what_they_name() -> None:
    assert changed() == {}
    assert changed(spectral_norm=True, r1_gamma=2.0) == {"spectral_norm": True, "r1_gamma": 2.0}
    assert changed(beta1=0.0) == {"betas": [0.0, 0.999]}
    assert changed(beta2=0.9) == {"betas": [0.5, 0.9]}
    assert changed(learning_rate=0.1) == {"learning_rate": 0.1, "discriminator_rate": 0.1}
    assert changed(loss="hinge") == {"loss": "hinge", "real_label": 1.0}


def test_augmentations_are_joined_by_commas() -> None:
    assert changed(diffaugment="cutout, brightness") == {"diffaugment": ["cutout", "brightness"]}
    assert changed(diffaugment="cutout,cutout") == {"diffaugment": ["cutout"]}
    assert changed(diffaugment="none") == {}
    with pytest.raises(UsageError, match="diffaugment: is colour; choose of brightness"):
        changed(diffaugment="colour")


def test_a_label_that_hinge_does_not_know_is_refused() -> None:
    with pytest.raises(UsageError, match=r"real_label: is 0\.8, which the hinge loss"):
        changed(loss="hinge", real_label=0.8)
