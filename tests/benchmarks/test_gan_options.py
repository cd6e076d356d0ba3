"""The options that are compared are flags of train-gan, and each changes the recipe."""

import pytest

from benchmarks.gan_options import OPTIONS, _changed
from train.gan_config import PROFILES

DEMO = PROFILES["demo"].config


@pytest.mark.parametrize("flags", OPTIONS)
def test_each_option_changes_what_it_names_and_nothing_else(flags: str) -> None:
    before, after = DEMO.as_dict(), _changed(DEMO, flags).as_dict()
    changed = {name for name in before if before[name] != after[name]}
    named = {flag[2:].replace("-", "_") for flag in flags.split() if flag.startswith("--")}
    named = {name.replace("beta1", "betas") for name in named}
    assert named <= changed <= named | {"real_label"}
