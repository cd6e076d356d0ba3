"""A disk that is really full, 2 MiB of memory mounted as one: the old save stays, and loads."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from checkpoints import load_model_chunked, save_model_chunked
from checkpoints.background import BackgroundSaver
from chunkport.errors import UsageError

OLD = {"w": torch.zeros(20_000)}
TOO_LARGE = {f"net{i}": {"w": torch.ones(200_000)} for i in range(4)}  # 3.2 MB


def at_once(save: Callable[[], object]) -> None:
    save()


def in_the_background(save: Callable[[], object]) -> None:
    saver = BackgroundSaver()

    def work() -> None:
        save()

    saver.submit(work)
    saver.wait()


@pytest.mark.integration
@pytest.mark.parametrize("run", [at_once, in_the_background])
@pytest.mark.parametrize("cap_mb", [0.5, 90.0], ids=["chunks", "whole"])
@pytest.mark.parametrize("name", ["m.pth", "m.safetensors"])
def test_a_full_disk_is_told_and_costs_nothing(
    small_disk: Path, name: str, cap_mb: float, run: Callable[[Callable[[], object]], None]
) -> None:
    path = small_disk / name
    save_model_chunked(OLD, path, 0.0625, announce=lambda _message: None)
    before = sorted(small_disk.iterdir())
    with pytest.raises(UsageError, match=r"\(No space left on device\); free some space"):
        run(lambda: save_model_chunked(TOO_LARGE, path, cap_mb, announce=lambda _message: None))
    assert torch.equal(load_model_chunked(path)["w"], OLD["w"])
    assert sorted(small_disk.iterdir()) == before
