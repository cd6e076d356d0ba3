"""The networks of a finished run, for use: one inference folder each."""

from collections.abc import Callable
from pathlib import Path

from checkpoints.inference_folder import (
    InferenceModel,
    read_inference_folder,
    save_inference_folder,
)


def release(
    inference_model: Callable[[Path], InferenceModel],
    best: Path | None,
    final: Path,
    max_chunk_mb: float,
    announce: Callable[[str], None],
) -> tuple[Path, ...]:
    """Put what two checkpoints hold for use into `inference/` beside them, as one version.

    The final one's folder ends in `_final`, the best one's in `_epoch<N>`.

    Raises:
        BadInputError: a checkpoint is damaged.
        UsageError: the folder cannot serve, or a full disk.
    """
    parent = final.parent / "inference"
    last = inference_model(final)
    folder = save_inference_folder(
        parent, last, tag="final", max_chunk_mb=max_chunk_mb, announce=announce
    )
    if best is None:
        return (folder,)
    version = read_inference_folder(folder).version
    of_best = save_inference_folder(
        parent,
        inference_model(best),
        version=version,
        max_chunk_mb=max_chunk_mb,
        announce=announce,
    )
    return (of_best, folder)
