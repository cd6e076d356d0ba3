import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from checkpoints import load_model_chunked, save_model_chunked
from checkpoints.random_state import (
    capture_random_state,
    capture_torch_state,
    restore_random_state,
    restore_torch_state,
)
from chunkport.errors import BadInputError


def drawn() -> list[float]:
    """Numbers of every generator; Gaussian ones, of which two are made at a time."""
    legacy = float(np.random.standard_normal())  # noqa: NPY002 - the global generator is meant
    return [random.gauss(0, 1), random.random(), legacy, torch.randn(1).item()]  # noqa: S311 - not secret


def test_every_generator_goes_on_from_where_it_was(tmp_path: Path) -> None:
    drawn()  # leaves the second number of each Gaussian pair waiting
    save_model_chunked({"random_state": capture_random_state()}, tmp_path / "m.pth")
    expected = [drawn() for _ in range(3)]
    said: list[str] = []
    restore_random_state(load_model_chunked(tmp_path / "m.pth")["random_state"], said.append)
    assert [drawn() for _ in range(3)] == expected
    assert said == []


def test_devices_that_are_not_here_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    state = {**capture_torch_state(), "cuda": [torch.get_rng_state(), torch.get_rng_state()]}
    said: list[str] = []
    restore_torch_state(state, said.append)
    assert len(said) == 1
    assert said[0].startswith("Warning: the checkpoint has random states of 2 cuda devices, and")
    assert "here are 0; random numbers drawn on cuda will not be those of" in said[0]


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"python": {"version": 2, "words": torch.zeros(625), "gauss": None}},
        {"python": {"version": 3, "words": torch.zeros(3, dtype=torch.int64), "gauss": None}},
    ],
    ids=["nothing", "another version", "too few words"],
)
def test_what_is_no_random_state_is_refused(state: dict[str, Any]) -> None:
    with pytest.raises(BadInputError, match="random_state: cannot be restored"):
        restore_random_state(state)


def test_a_torch_state_of_the_wrong_size_is_refused() -> None:
    with pytest.raises(BadInputError, match="random_state: cannot be restored"):
        restore_torch_state({"cpu": torch.zeros(3, dtype=torch.uint8)})
