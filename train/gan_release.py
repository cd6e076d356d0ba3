"""A GAN's generator for use: what its inference folder holds and says."""

from pathlib import Path

from checkpoints import load_model_chunked
from checkpoints.inference_folder import InferenceModel
from checkpoints.model_facts import facts_in
from networks.gan import upsampling_of

_LOAD = """\
import torch

from checkpoints import load_model_chunked
from networks.gan import Generator

generator = Generator(noise_dim={noise_dim}, width={width}, upsampling="{upsampling}")
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


def generator_for_use(checkpoint: Path) -> InferenceModel:
    """What the inference folder of a checkpoint's generator is made of.

    Raises:
        BadInputError: the checkpoint is damaged.
    """
    values = load_model_chunked(checkpoint)
    facts = facts_in(values)
    weights = values["generator_state_dict"]
    form = {key: values[key] for key in ("noise_dim", "width")}
    form["upsampling"] = upsampling_of(weights)
    return InferenceModel(
        title="GAN generator of 128x128 grayscale fruit images",
        architecture="gan-generator",
        weights={**form, "generator_state_dict": weights},
        config=form,
        epoch=facts.epoch,
        metrics=facts.metrics,
        hyperparameters=facts.config,
        load_code=_LOAD.format(**form),
        convert_commands=_CONVERT,
    )
