"""What a classifier of fruit takes pictures for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from checkpoints import load_model_chunked
from chunkport.errors import UsageError
from networks.fruit_classifier import FruitCNN, looks_at, read_classifier
from networks.fruit_features import are_fruit_like, fruit_classifier
from networks.quality.seen import see


@dataclass(frozen=True)
class Classified:
    """The class of each picture, and how sure the classifier is of it.

    Attributes:
        classes: the names of all classes, also of those that no picture is of.
        labels: (N,), into `classes`.
        confidences: (N,), the probability that the classifier gives to that class.
        fruit_like: whether the pictures are like those it was trained on; if not, its answers say
            little, however sure it is.
    """

    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    confidences: NDArray[np.float32]
    fruit_like: bool

    @property
    def mean_confidence(self) -> float:
        """Of all pictures."""
        return float(self.confidences.mean())

    def of_each(self) -> list[dict[str, Any]]:
        """Class and confidence of every picture, in order."""
        pairs = zip(self.labels, self.confidences, strict=True)
        return [{"class": self.classes[label], "confidence": float(sure)} for label, sure in pairs]

    def histogram(self) -> list[dict[str, Any]]:
        """How many pictures are of each class; the mean confidence is None where none is."""
        rows = []
        for label, name in enumerate(self.classes):
            sure = self.confidences[self.labels == label]
            mean = float(sure.mean()) if sure.size else None
            share = sure.size / len(self.labels)
            rows.append(
                {"class": name, "count": sure.size, "share": share, "mean_confidence": mean}
            )
        return rows


def open_classifier(checkpoint: Path | None) -> tuple[FruitCNN, tuple[str, ...]]:
    """The classifier of a checkpoint of `train-classifier`, or the one that comes with chunkport.

    Raises:
        BadInputError: the checkpoint is damaged, or holds no classifier.
    """
    if checkpoint is None:
        return fruit_classifier()
    return read_classifier(load_model_chunked(checkpoint), str(checkpoint))


def classify_pictures(
    pictures: NDArray[np.uint8], network: FruitCNN, classes: tuple[str, ...]
) -> Classified:
    """What the network takes pictures (N, 1, 128, 128) for; grey levels from 0 to 255.

    Raises:
        UsageError: they are of another size, or in colour.
    """
    if not looks_at(pictures.shape):
        shape = " x ".join(map(str, pictures.shape[1:]))
        raise UsageError(
            f"the classifier looks at grey pictures of 128 x 128, and these are {shape}; leave "
            "out --classify"
        )
    seen = see(pictures, network)
    return Classified(
        classes=classes,
        labels=seen.probabilities.argmax(axis=1),
        confidences=seen.probabilities.max(axis=1),
        fruit_like=are_fruit_like(seen.features),
    )
