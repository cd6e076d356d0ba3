from dataclasses import dataclass

import pytest

from chunkport.errors import BadInputError
from train.config_values import refuse_other_values


@dataclass(frozen=True)
class Config:
    rate: float = 0.1
    seed: int = 0


def test_just_the_fields_are_let_through() -> None:
    refuse_other_values(Config, {"rate": 1.0, "seed": 2})


@pytest.mark.parametrize(
    ("values", "odd"),
    [({"rate": 1.0}, "seed"), ({"rate": 1.0, "seed": 2, "mode": "x"}, "mode"), ({}, "rate, seed")],
)
def test_what_is_missing_or_unknown_is_named(values: dict[str, object], odd: str) -> None:
    with pytest.raises(BadInputError, match=f"config: missing or unknown {odd}; train anew"):
        refuse_other_values(Config, values)
