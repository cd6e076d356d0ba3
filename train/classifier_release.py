"""A fruit classifier for use: what its inference folder holds and says."""

from pathlib import Path

from checkpoints import load_model_chunked
from checkpoints.inference_folder import InferenceModel
from checkpoints.model_facts import facts_in
from networks.fruit_classifier import STATE_DICT

PROVENANCE = "provenance"  # among the details of a checkpoint
_LOAD = """\
import torch

from checkpoints import load_model_chunked
from networks.fruit_classifier import read_classifier

network, classes = read_classifier(load_model_chunked("full_model.pth"), "full_model.pth")
with torch.inference_mode():
    logits = network(torch.zeros(1, 1, 128, 128))  # grey pictures in [-1, 1]
print(classes[int(logits.argmax())])
"""


def classifier_for_use(checkpoint: Path) -> InferenceModel:
    """What the inference folder of a checkpoint's classifier is made of.

    Raises:
        BadInputError: the checkpoint is damaged.
    """
    values = load_model_chunked(checkpoint)
    facts = facts_in(values)
    described = {"classes": values["classes"], "width": values["width"]}
    return InferenceModel(
        title="Classifier of 128x128 grayscale fruit images",
        architecture="fruit-classifier",
        weights={**described, STATE_DICT: values[STATE_DICT]},
        config=described,
        epoch=facts.epoch,
        metrics=facts.metrics,
        hyperparameters={**facts.config, **facts.details.get(PROVENANCE, {})},
        load_code=_LOAD,
    )
