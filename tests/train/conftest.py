from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from train.fruits import render_fruit


@pytest.fixture(scope="session")
def images() -> torch.Tensor:
    """Ten pears, (10, 1, 128, 128) uint8."""
    return torch.from_numpy(np.stack([render_fruit("Pear", seed) for seed in range(10)]))[:, None]


@pytest.fixture(scope="session")
def assert_same() -> Callable[[Any, Any], None]:
    """Equality of checkpoints, tensors bit by bit."""

    def check(a: Any, b: Any, where: str = "") -> None:
        assert type(a) is type(b), where
        if isinstance(a, dict):
            assert a.keys() == b.keys(), where
            for key in a:
                check(a[key], b[key], f"{where}/{key}")
        elif isinstance(a, list):
            assert len(a) == len(b), where
            for index, (x, y) in enumerate(zip(a, b, strict=True)):
                check(x, y, f"{where}/{index}")
        elif isinstance(a, torch.Tensor):
            assert torch.equal(a, b), where
        else:
            assert a == b, where

    return check
