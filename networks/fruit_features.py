"""The features by which pictures of fruit are compared: those of the classifier that is shipped.

It was trained by `chunkport train-classifier`; `weights/fruit_classifier/` tells how.
"""

import hashlib
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from chunkport.errors import BadInputError
from networks.fruit_classifier import FruitCNN, read_classifier

WEIGHTS = Path(__file__).parent / "weights" / "fruit_classifier" / "full_model.pth"
_BATCH = 64
# Features of fruit have an RMS of 1: the classifier standardizes them.
_RMS_OF_FRUIT = 1.5


@cache
def fruit_classifier() -> tuple[FruitCNN, tuple[str, ...]]:
    """The shipped classifier, for use, and the names of its classes.

    Raises:
        BadInputError: its file is missing or damaged.
    """
    try:
        values = torch.load(WEIGHTS, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError) as error:
        reason = " ".join(str(error).split())
        raise BadInputError(
            f"{WEIGHTS}: cannot be read ({reason}); install chunkport anew"
        ) from error
    return read_classifier(values, str(WEIGHTS))


@cache
def features_sha256() -> str:
    """Of the classifier's file: scores in features of another one do not compare."""
    return hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()


def fruit_features(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Images (N, 1, 128, 128) in [-1, 1] -> (N, 64); see `FruitCNN.features`.

    Raises:
        BadInputError: as `fruit_classifier`.
    """
    network, _ = fruit_classifier()
    with torch.inference_mode():
        parts = torch.split(torch.from_numpy(np.ascontiguousarray(images)), _BATCH)
        return torch.cat([network.features(part) for part in parts]).numpy()


def are_fruit_like(features: NDArray[np.float32]) -> bool:
    """Whether features (N, d) of pictures are such as fruit has; if not, they say little."""
    return bool(np.sqrt(np.square(features, dtype=np.float64).mean()) <= _RMS_OF_FRUIT)
