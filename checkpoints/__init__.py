"""Tensors on disk: checkpoints split into files below a size cap, written so that none is lost.

Nothing here knows a model. Importing the package is light; torch is imported by the functions
that need it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from checkpoints.catalog import CheckpointSummary, describe, list_files
    from checkpoints.cleaning import clean_chunks
    from checkpoints.inference_folder import (
        InferenceModel,
        read_inference_folder,
        save_inference_folder,
    )
    from checkpoints.lazy import Checkpoint, open_checkpoint
    from checkpoints.manager import CheckpointManager
    from checkpoints.quantized_weights import dequantize
    from checkpoints.reader import load_model_chunked
    from checkpoints.removal import remove_checkpoint
    from checkpoints.saving import SavedCheckpoint
    from checkpoints.streamed_writer import save_streamed
    from checkpoints.writer import save_model_chunked

_HOMES = {
    "Checkpoint": "checkpoints.lazy",
    "CheckpointManager": "checkpoints.manager",
    "CheckpointSummary": "checkpoints.catalog",
    "InferenceModel": "checkpoints.inference_folder",
    "SavedCheckpoint": "checkpoints.saving",
    "clean_chunks": "checkpoints.cleaning",
    "dequantize": "checkpoints.quantized_weights",
    "describe": "checkpoints.catalog",
    "list_files": "checkpoints.catalog",
    "load_model_chunked": "checkpoints.reader",
    "open_checkpoint": "checkpoints.lazy",
    "read_inference_folder": "checkpoints.inference_folder",
    "remove_checkpoint": "checkpoints.removal",
    "save_inference_folder": "checkpoints.inference_folder",
    "save_model_chunked": "checkpoints.writer",
    "save_streamed": "checkpoints.streamed_writer",
}

__all__ = [
    "Checkpoint",
    "CheckpointManager",
    "CheckpointSummary",
    "InferenceModel",
    "SavedCheckpoint",
    "clean_chunks",
    "dequantize",
    "describe",
    "list_files",
    "load_model_chunked",
    "open_checkpoint",
    "read_inference_folder",
    "remove_checkpoint",
    "save_inference_folder",
    "save_model_chunked",
    "save_streamed",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
