"""The generators of a finished run, for use: one inference folder each."""

from collections.abc import Callable
from pathlib import Path

from checkpoints import load_model_chunked
from checkpoints.inference_folder import (
    InferenceModel,
    read_inference_folder,
    save_inference_folder,
)
from checkpoints.model_facts import facts_in

_LOAD = """\
import torch

from checkpoints import load_model_chunked
from networks.gan import Generator

generator = Generator(noise_dim={noise_dim}, width={width})
generator.load_state_dict(load_model_chunked("full_model.pth")["generator_state_dict"])
generator.eval()
with torch.inference_mode():
    images = generator(torch.randn(4, {noise_dim}))  # (4, 1, 128, 128) in [-1, 1]
"""
_CONVERT = """\
chunkport convert full_model.pth --model gan-generator \\
    --precision fp32 --precision fp16 --precision int8 --output-dir tflite
chunkport verify tflite/*.tflite --checkpoint full_model.pth
"""


def release(
    best: Path | None, final: Path, max_chunk_mb: float, announce: Callable[[str], None]
) -> tuple[Path, ...]:
    """Put the generators of two checkpoints into `inference/` beside them, as one version.

    The final one's folder ends in `_final`, the best one's in `_epoch<N>`.

    Raises:
        BadInputError: a checkpoint is damaged.
        UsageError: the folder cannot serve, or a full disk.
    """
    parent = final.parent / "inference"
    last = _model(final)
    folder = save_inference_folder(
        parent, last, tag="final", max_chunk_mb=max_chunk_mb, announce=announce
    )
    if best is None:
        return (folder,)
    version = read_inference_folder(folder).version
    of_best = save_inference_folder(
        parent, _model(best), version=version, max_chunk_mb=max_chunk_mb, announce=announce
    )
    return (of_best, folder)


def _model(checkpoint: Path) -> InferenceModel:
    values = load_model_chunked(checkpoint)
    facts = facts_in(values)
    size = {"noise_dim": values["noise_dim"], "width": values["width"]}
    return InferenceModel(
        title="GAN generator of 128x128 grayscale fruit images",
        architecture="gan-generator",
        weights={**size, "generator_state_dict": values["generator_state_dict"]},
        config=size,
        epoch=facts.epoch,
        metrics=facts.metrics,
        hyperparameters=facts.config,
        load_code=_LOAD.format(**size),
        convert_commands=_CONVERT,
    )
