import json
import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pytest
import torch

from checkpoints import SavedCheckpoint, save_model_chunked
from checkpoints.manifest import document_crc32

SMALL_CAP_MB = 0.0625  # the smallest cap: chunks of 64 KiB keep the tests quick


class Save(Protocol):
    def __call__(self, model_data: Mapping[str, Any], path: Path) -> SavedCheckpoint: ...


def ignore(_message: str) -> None:
    """Announce nothing."""


@pytest.fixture
def save_small() -> Save:
    """Save in chunks of at most 64 KiB, in silence."""
    return partial(save_model_chunked, max_chunk_mb=SMALL_CAP_MB, announce=ignore)


@pytest.fixture
def model() -> dict[str, Any]:
    """72 KB in two state dicts, so two chunks of the smallest cap, and values of other kinds."""
    generator = torch.Generator().manual_seed(7)
    return {
        "first": {"weight": torch.randn(90, 100, generator=generator), "step": 3},
        "second": {"weight": torch.randn(9000, generator=generator)},
        "epoch": 12,
        "losses": [0.5, float("nan")],
    }


@pytest.fixture
def chunked(tmp_path: Path, save_small: Save, model: dict[str, Any]) -> SavedCheckpoint:
    """`model`, saved as best_model.pth in two chunks."""
    return save_small(model, tmp_path / "best_model.pth")


Edit = Callable[[Callable[[dict[str, Any]], None]], None]


@pytest.fixture
def edit_manifest(chunked: SavedCheckpoint) -> Edit:
    """Change the manifest of `chunked` and seal it again, as a forger would."""

    def edit(change: Callable[[dict[str, Any]], None]) -> None:
        assert chunked.manifest is not None
        document = json.loads(chunked.manifest.read_text())
        change(document)
        document["manifest_crc32"] = document_crc32(document)
        chunked.manifest.write_text(json.dumps(document))

    return edit


Act = Callable[[], object]


@pytest.fixture
def die_at_every_step() -> Callable[[Path, Act, Act, Callable[[int], object]], int]:
    """`(folder, prepare, act, check)`: how often `act` died, before each of its changes in turn.

    For each change that `act` makes to files at or below `folder`: `prepare` in this process, `act`
    in another, which ends just before that change as by SIGKILL, then `check` with the number of
    the change.
    """

    def run(folder: Path, prepare: Act, act: Act, check: Callable[[int], object]) -> int:
        for step in range(1, 500):
            prepare()
            child = os.fork()
            if child == 0:
                _die_before_change(folder, step)
                act()
                os._exit(0)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            check(step)
            if code == 0:
                return step - 1
            assert code == _DEAD, code
        raise AssertionError("it never came to an end")

    return run


_DEAD = 9
_CHANGES = {"os.rename", "os.remove", "os.link", "os.mkdir", "os.rmdir"}


def _die_before_change(folder: Path, step: int) -> None:
    count = 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        writes = event == "open" and arguments[1] not in (None, "r", "rb")
        if (event in _CHANGES or writes) and str(folder) in str(arguments[0]):
            count += 1
            if count == step:
                os._exit(_DEAD)

    sys.addaudithook(hook)
