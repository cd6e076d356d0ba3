import json
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
