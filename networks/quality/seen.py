"""What the fruit classifier sees in pictures: their features, and which fruit it takes them for."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from networks.fruit_classifier import FruitCNN
from networks.fruit_features import features_sha256, fruit_classifier

_BATCH = 64


@dataclass(frozen=True)
class Classifier:
    """A trained fruit classifier, for use.

    Attributes:
        classes: the names of its classes.
        sha256: of its file: scores in the features of another one do not compare.
    """

    network: FruitCNN
    classes: tuple[str, ...]
    sha256: str


@dataclass(frozen=True)
class Seen:
    """What it makes of pictures: features (N, 64), and a probability of each class (N, C)."""

    features: NDArray[np.float32]
    probabilities: NDArray[np.float32]

    @property
    def shares(self) -> NDArray[np.float64]:
        """The share of the pictures that it takes for each class, (C,)."""
        taken_for = self.probabilities.argmax(axis=1)
        counts = np.bincount(taken_for, minlength=self.probabilities.shape[1])
        found: NDArray[np.float64] = counts / len(taken_for)
        return found

    @property
    def confidence(self) -> float:
        """The mean probability of the class that it takes each for."""
        return float(self.probabilities.max(axis=1).mean())


def shipped_classifier() -> Classifier:
    """The one that comes with chunkport.

    Raises:
        BadInputError: its file is missing or damaged.
    """
    return Classifier(*fruit_classifier(), features_sha256())


def see(pictures: NDArray[np.uint8], network: FruitCNN) -> Seen:
    """Let it look at pictures (N, 1, 128, 128) from 0 to 255."""
    features, probabilities = [], []
    with torch.inference_mode():
        for part in torch.split(torch.from_numpy(np.ascontiguousarray(pictures)), _BATCH):
            found = network.features(part.to(torch.float32) / 127.5 - 1)
            features.append(found)
            probabilities.append(network.logits(found).softmax(dim=1))
    return Seen(torch.cat(features).numpy(), torch.cat(probabilities).numpy())


def total_variation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """How much of one distribution would have to move to make the other, from 0 to 1."""
    return float(np.abs(one - other).sum() / 2)
