"""Where a run computes, as it is asked for."""

import pytest
import torch

from chunkport.errors import UsageError
from train.devices import chosen_device


def test_the_cpu_is_anywhere() -> None:
    assert chosen_device("cpu") == "cpu"


def test_auto_is_a_gpu_where_there_is_one() -> None:
    assert chosen_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("asked", ["cuda:99", "gpu", ""])
def test_what_is_not_here_is_refused_with_what_is(asked: str) -> None:
    with pytest.raises(UsageError, match=f"there is no '{asked}' here; choose one of auto, cpu"):
        chosen_device(asked)
