from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from checkpoints.run_config import config_hash, plain_config, refuse_changed_config
from chunkport.errors import UsageError


@dataclass(frozen=True)
class Config:
    lr: float = 0.1
    betas: tuple[float, float] = (0.9, 0.999)
    data: Path = Path("data")


def test_a_dataclass_and_its_dictionary_are_one_config() -> None:
    plain = plain_config(Config())
    assert plain == {"lr": 0.1, "betas": [0.9, 0.999], "data": "data"}
    assert config_hash(plain) == config_hash(dict(reversed(plain.items())))
    assert config_hash(plain) != config_hash({**plain, "lr": 0.2})
    assert config_hash(plain, {"lr"}) == config_hash({**plain, "lr": 0.2}, {"lr"})
    assert plain_config(None) == {}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (3, "config: is a int; give a dataclass, a dictionary or None"),
        ({"net": {"act": len}}, "net.act is a builtin_function_or_method; use numbers"),
    ],
)
def test_what_cannot_be_told_in_json_is_refused(config: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plain_config(config)


def test_the_difference_is_shown_key_by_key() -> None:
    before = {"lr": 0.1, "net": {"width": 8, "act": "relu"}, "gone": 1, "epochs": 5}
    now = {"lr": 0.1, "net": {"width": 16, "act": "relu"}, "new": None, "epochs": 9}
    with pytest.raises(UsageError) as caught:
        refuse_changed_config("latest.pth", before, now, {"epochs"})
    assert str(caught.value) == (
        "latest.pth: gone 1 became (absent); net.width 8 became 16; new (absent) became null; "
        "resume with the values of that run"
    )
    refuse_changed_config("latest.pth", before, {**before, "epochs": 9}, {"epochs"})
