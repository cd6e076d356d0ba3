"""What pictures are taken for."""

from pathlib import Path

import numpy as np
import pytest
import torch

from checkpoints import save_model_chunked
from chunkport.errors import BadInputError, UsageError
from networks.fruit_classifier import FruitCNN, classifier_values
from train.fruits import FRUITS, render_fruit
from verify.classified_pictures import classify_pictures, open_classifier


def test_drawn_fruit_is_known_by_the_classifier_that_comes_along() -> None:
    drawn = [render_fruit(kind, seed) for kind in FRUITS for seed in range(2)]
    found = classify_pictures(np.stack(drawn)[:, None], *open_classifier(None))
    answers = found.of_each()
    assert [row["class"] for row in answers] == [kind for kind in FRUITS for _ in range(2)]
    assert all(0.5 < row["confidence"] <= 1 for row in answers)
    assert found.mean_confidence == pytest.approx(np.mean([row["confidence"] for row in answers]))
    assert found.fruit_like


def test_the_histogram_names_every_class() -> None:
    apples = np.stack([render_fruit("Apple", seed) for seed in range(3)])[:, None]
    found = classify_pictures(apples, *open_classifier(None))
    assert found.histogram()[0] == {
        "class": "Apple",
        "count": 3,
        "share": 1.0,
        "mean_confidence": pytest.approx(found.mean_confidence),
    }
    assert found.histogram()[1:] == [
        {"class": kind, "count": 0, "share": 0.0, "mean_confidence": None} for kind in FRUITS[1:]
    ]


def test_noise_is_not_taken_for_fruit() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (4, 1, 128, 128), dtype=np.uint8)
    assert not classify_pictures(noise, *open_classifier(None)).fruit_like


def test_a_classifier_of_ones_own_has_its_own_classes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    values = classifier_values(FruitCNN(num_classes=2, width=2), ("Kiwi", "Plum"))
    save_model_chunked(values, tmp_path / "own.pth")
    found = classify_pictures(
        np.zeros((3, 1, 128, 128), np.uint8), *open_classifier(tmp_path / "own.pth")
    )
    assert [row["class"] for row in found.histogram()] == ["Kiwi", "Plum"]
    assert sum(row["count"] for row in found.histogram()) == 3


def test_what_it_cannot_look_at_is_refused(generator_checkpoint: Path) -> None:
    with pytest.raises(UsageError, match="these are 3 x 128 x 128; leave out --classify"):
        classify_pictures(np.zeros((1, 3, 128, 128), np.uint8), *open_classifier(None))
    with pytest.raises(BadInputError, match="holds no fruit classifier"):
        open_classifier(generator_checkpoint)
