"""A watermark pair for use: what its inference folder holds and says."""

from pathlib import Path

from checkpoints import load_model_chunked
from checkpoints.inference_folder import InferenceModel
from checkpoints.model_facts import facts_in

PROVENANCE = "provenance"  # among the details of a checkpoint
_LOAD = """\
import torch

from wrappers.detector_intake import load_detector_network, load_embedder_network

embedder = load_embedder_network("full_model.pth")
detector = load_detector_network("full_model.pth")
picture = torch.rand(1, 3, {image_size}, {image_size})  # RGB in [0, 1]
message = torch.randint(0, 2, (1, {nbits})).float()
marked = embedder(picture, message)
read = detector(marked)[:, 1:] > 0  # (1, {nbits})
"""
_CONVERT = """\
chunkport embed-watermark full_model.pth PICTURE.png --message random
chunkport detect-watermark full_model.pth PICTURE_marked.png
chunkport convert full_model.pth --model tinyseal --card config.json \\
    --precision fp32 --precision int8 --output-dir tflite
chunkport verify tflite/*.tflite --checkpoint full_model.pth
"""


def pair_for_use(checkpoint: Path) -> InferenceModel:
    """What the inference folder of a checkpoint's embedder and detector is made of.

    Raises:
        BadInputError: the checkpoint is damaged.
    """
    values = load_model_chunked(checkpoint)
    facts = facts_in(values)
    described = {section: values[section] for section in ("args", "embedder", "extractor")}
    args = described["args"]
    return InferenceModel(
        title=f"Watermark of {args['nbits']} bits: embedder and detector",
        architecture="tinyseal",
        weights={"model": values["model"], **described},
        config=described,
        epoch=facts.epoch,
        metrics=facts.metrics,
        hyperparameters={**facts.config, **facts.details.get(PROVENANCE, {})},
        load_code=_LOAD.format(image_size=args["img_size_proc"], nbits=args["nbits"]),
        convert_commands=_CONVERT,
    )
