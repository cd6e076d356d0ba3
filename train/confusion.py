"""Which classes a classifier takes for which, in numbers and as a picture."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from chunkport.files import make_folder, replacing
from networks.fruit_classifier import FruitCNN
from train.images import ImageSet, to_unit_range

_BATCH = 128
_INCHES = 4.6
_DOTS_PER_INCH = 110
_DARK = 0.5  # share of a row above which its cell is dark


@dataclass(frozen=True)
class Confusion:
    """How often each class was taken for each.

    Attributes:
        classes: their names.
        counts: a row per true class, in it the images by the class they were taken for.
        loss: mean cross-entropy, in nats.
    """

    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    loss: float

    @property
    def accuracy(self) -> float:
        """The part of all images that were taken for what they are."""
        right = sum(row[label] for label, row in enumerate(self.counts))
        return right / sum(map(sum, self.counts))

    def rows(self) -> list[dict[str, Any]]:
        """A row per true class: its name, its part taken rightly, and its counts by class."""
        return [
            {
                "true_class": name,
                "accuracy": row[label] / sum(row) if sum(row) else None,
                **dict(zip(self.classes, row, strict=True)),
            }
            for label, (name, row) in enumerate(zip(self.classes, self.counts, strict=True))
        ]


def confuse(network: FruitCNN, held_out: ImageSet) -> Confusion:
    """Let the network judge images, as they are, that it was not trained on."""
    device = next(network.parameters()).device
    network.eval()
    with torch.inference_mode():
        logits = torch.cat(
            [
                network(to_unit_range(part.to(device)))
                for part in torch.split(held_out.images, _BATCH)
            ]
        ).cpu()
    labels, size = held_out.labels.cpu(), len(held_out.classes)
    counts = torch.bincount(labels * size + logits.argmax(dim=1), minlength=size * size)
    table = counts.reshape(size, size).tolist()
    return Confusion(
        held_out.classes, tuple(map(tuple, table)), cross_entropy(logits, labels).item()
    )


def write_confusion(confusion: Confusion, path: Path) -> None:
    """Draw the counts as a PNG, the darker the larger a part of its row.

    Its folder is made if it is missing.
    """
    from matplotlib.figure import Figure

    size = len(confusion.classes)
    figure = Figure((_INCHES, _INCHES), dpi=_DOTS_PER_INCH, layout="constrained")
    axes = figure.add_subplot()
    shares = [[count / max(sum(row), 1) for count in row] for row in confusion.counts]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for true, row in enumerate(confusion.counts):
        for taken, count in enumerate(row):
            ink = "white" if shares[true][taken] > _DARK else "#333333"
            axes.text(taken, true, str(count), ha="center", va="center", color=ink)
    axes.set_xticks(range(size), confusion.classes, rotation=45, ha="right")
    axes.set_yticks(range(size), confusion.classes)
    axes.set_xlabel("taken for")
    axes.set_ylabel("is")
    title = f"{confusion.accuracy:.2%} of held-out pictures right"
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
    make_folder(path.parent)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")
