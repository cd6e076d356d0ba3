"""Tensors on disk: checkpoints split into files below a size cap, written so that none is lost.

Nothing here knows a model. Importing the package is light; torch is imported by the functions
that need it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from checkpoints.catalog import CheckpointSummary, describe, list_files
    from checkpoints.cleaning import clean_chunks
    from checkpoints.reader import load_model_chunked
    from checkpoints.writer import SavedCheckpoint, save_model_chunked

_HOMES = {
    "CheckpointSummary": "checkpoints.catalog",
    "SavedCheckpoint": "checkpoints.writer",
    "clean_chunks": "checkpoints.cleaning",
    "describe": "checkpoints.catalog",
    "list_files": "checkpoints.catalog",
    "load_model_chunked": "checkpoints.reader",
    "save_model_chunked": "checkpoints.writer",
}

__all__ = [
    "CheckpointSummary",
    "SavedCheckpoint",
    "clean_chunks",
    "describe",
    "list_files",
    "load_model_chunked",
    "save_model_chunked",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
