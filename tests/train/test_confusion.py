from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

from networks.fruit_classifier import FruitCNN
from train.confusion import Confusion, confuse, write_confusion
from train.images import ImageSet

SHADES = (0, 100, 200)


class ByBrightness(FruitCNN):
    """Takes a picture for the class whose shade is nearest to it, and any bright one for "two"."""

    def __init__(self) -> None:
        super().__init__(num_classes=3, width=1)
        self.shades = nn.Parameter(torch.tensor(SHADES) / 127.5 - 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return -100 * (images.mean(dim=(1, 2, 3))[:, None] - self.shades).square()


def shaded(*pictures: tuple[int, int]) -> ImageSet:
    """Pictures of one shade and one label each."""
    shades, labels = torch.tensor(pictures).T
    return ImageSet(
        images=shades.to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 128, 128),
        labels=labels,
        classes=("zero", "one", "two"),
        names=tuple(str(number) for number in range(len(pictures))),
    )


def test_rows_are_what_is_and_columns_what_it_was_taken_for() -> None:
    confusion = confuse(ByBrightness(), shaded((0, 0), (90, 0), (100, 1), (200, 2), (201, 2)))
    assert confusion.counts == ((1, 1, 0), (0, 1, 0), (0, 0, 2))
    assert confusion.accuracy == pytest.approx(0.8)
    assert confusion.rows()[0] == {
        "true_class": "zero", "accuracy": 0.5, "zero": 1, "one": 1, "two": 0,
    }  # fmt: skip


def test_the_loss_is_larger_for_what_is_taken_wrongly() -> None:
    right = confuse(ByBrightness(), shaded((0, 0), (100, 1)))
    wrong = confuse(ByBrightness(), shaded((0, 1), (100, 1)))
    assert right.loss < 0.01
    assert wrong.loss > 10


def test_a_class_without_pictures_has_no_accuracy() -> None:
    assert confuse(ByBrightness(), shaded((0, 0))).rows()[2]["accuracy"] is None


def test_it_is_drawn_dark_where_many_are(tmp_path: Path) -> None:
    target = tmp_path / "new" / "confusion.png"
    write_confusion(Confusion(("a", "b"), ((9, 0), (0, 9)), 0.1), target)
    with Image.open(target) as image:
        grey = image.convert("L")
        width, height = grey.size
        cells = {
            (x, y): grey.getpixel((int(width * x), int(height * y)))
            for x in (0.3, 0.75)
            for y in (0.2, 0.7)
        }
    assert cells[0.3, 0.2] < 100 > cells[0.75, 0.7]  # type: ignore[operator]  # grey levels are numbers
    assert cells[0.75, 0.2] > 200 < cells[0.3, 0.7]  # type: ignore[operator]  # as above
