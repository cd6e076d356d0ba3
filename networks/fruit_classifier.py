"""The fruit classifier: which of five fruits a picture shows, and features to compare pictures by.

Four strided convolutions, then the mean over the picture. `features` is the layer before the last,
standardised over the pictures that it was trained on: each of its 64 numbers has mean 0 and
variance 1 there, so that distances between pictures have a scale.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from chunkport.errors import BadInputError
from networks.gan import IMAGE_SIZE

NUM_CLASSES = 5
WIDTH = 16
FEATURES = 64
FIT_ACCURACY = 0.95
"""On held-out pictures; below it, features say too little about fruit to judge generators by."""
STATE_DICT = "classifier_state_dict"
_SLOPE = 0.1


def _stage(in_channels: int, out_channels: int) -> nn.Sequential:
    """Half the size, with as many channels as asked for."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.LeakyReLU(_SLOPE),
    )


class FruitCNN(nn.Module):
    """Images (B, 1, 128, 128) in [-1, 1] to logits (B, num_classes).

    105,909 parameters with five classes at width 16.
    """

    def __init__(self, num_classes: int = NUM_CLASSES, width: int = WIDTH) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.width = width
        channels = (1, width, 2 * width, 4 * width, 8 * width)
        self.stages = nn.Sequential(
            *(_stage(before, after) for before, after in pairwise(channels))
        )
        self.embed = nn.Linear(channels[-1], FEATURES, bias=False)
        self.standardize = nn.BatchNorm1d(FEATURES, affine=False)
        self.classify = nn.Linear(FEATURES, num_classes)

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 1, 128, 128) -> (B, 64), before the activation."""
        seen = self.stages(images).mean(dim=(2, 3))  # (B, 8w, 8, 8) -> (B, 8w)
        standardized: torch.Tensor = self.standardize(self.embed(seen))
        return standardized

    def logits(self, features: torch.Tensor) -> torch.Tensor:
        """What follows `features`: (B, 64) -> (B, num_classes)."""
        found: torch.Tensor = self.classify(functional.leaky_relu(features, _SLOPE))
        return found

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 1, 128, 128) -> (B, num_classes)."""
        return self.logits(self.features(images))


def classifier_values(network: FruitCNN, classes: tuple[str, ...]) -> dict[str, Any]:
    """What a checkpoint holds of a classifier; `read_classifier` undoes it."""
    return {
        "classes": list(classes),
        "width": network.width,
        STATE_DICT: dict(network.state_dict()),
    }


def read_classifier(values: Mapping[str, Any], origin: str) -> tuple[FruitCNN, tuple[str, ...]]:
    """The classifier in a checkpoint, for use, and the names of its classes.

    Raises:
        BadInputError: it holds none, or one that is not whole and finite.
    """
    try:
        classes, width, state = values["classes"], values["width"], values[STATE_DICT]
        network = FruitCNN(len(classes), width)
        network.load_state_dict(state)
    except (KeyError, TypeError, RuntimeError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise BadInputError(
            f"{origin}: holds no fruit classifier ({reason}); give a checkpoint of train-classifier"
        ) from error
    if not all(bool(value.isfinite().all()) for value in network.state_dict().values()):
        raise BadInputError(f"{origin}: a weight is infinite or no number; train anew")
    return network.eval(), tuple(classes)


def looks_at(shape: tuple[int, ...]) -> bool:
    """Whether it can look at images of this shape, (..., 1, 128, 128)."""
    return shape[-3:] == (1, IMAGE_SIZE, IMAGE_SIZE)
