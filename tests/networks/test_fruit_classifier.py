from typing import Any

import pytest
import torch

from chunkport.errors import BadInputError
from networks.fruit_classifier import (
    FEATURES,
    STATE_DICT,
    FruitCNN,
    classifier_values,
    looks_at,
    read_classifier,
)


def parameters(network: FruitCNN) -> int:
    return sum(weight.numel() for weight in network.parameters())


def test_its_size_is_as_documented() -> None:
    assert f"{parameters(FruitCNN()):,} parameters" in (FruitCNN.__doc__ or "")


def test_logits_come_from_the_features() -> None:
    network = FruitCNN(num_classes=3, width=4).eval()
    images = torch.rand(2, 1, 128, 128) * 2 - 1
    features = network.features(images)
    assert features.shape == (2, FEATURES)
    assert network(images).shape == (2, 3)
    with torch.no_grad():
        network.embed.weight.zero_()
        network.standardize.reset_running_stats()
    assert torch.equal(network.features(images), torch.zeros(2, FEATURES))
    assert torch.equal(network(images), network.classify.bias.expand(2, 3))


def test_features_are_standardised_over_what_it_is_trained_on() -> None:
    network = FruitCNN(width=4).train()
    features = network.features(torch.rand(64, 1, 128, 128) * 2 - 1)
    torch.testing.assert_close(features.mean(dim=0), torch.zeros(FEATURES), atol=1e-4, rtol=0)
    assert (features.std(dim=0) <= 1.01).all()


def test_a_checkpoint_gives_back_the_network() -> None:
    network = FruitCNN(num_classes=2, width=4).eval()
    read, classes = read_classifier(classifier_values(network, ("Fig", "Kiwi")), "m.pth")
    assert classes == ("Fig", "Kiwi")
    assert not read.training
    images = torch.rand(3, 1, 128, 128)
    assert torch.equal(read(images), network(images))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": None}, r"m\.pth: holds no fruit classifier"),
        ({"width": 8}, "size mismatch"),
        ({"width": "wide"}, r"m\.pth: holds no fruit classifier"),
        ({STATE_DICT: {}}, "Missing key"),
        ({STATE_DICT: 3}, "give a checkpoint of train-classifier"),
    ],
)
def test_what_is_no_classifier_is_refused(changes: dict[str, Any], message: str) -> None:
    values = classifier_values(FruitCNN(2, width=4), ("Fig", "Kiwi")) | changes
    with pytest.raises(BadInputError, match=message):
        read_classifier(values, "m.pth")


def test_broken_weights_are_refused() -> None:
    network = FruitCNN(2, width=4)
    with torch.no_grad():
        network.classify.weight[0, 0] = torch.nan
    with pytest.raises(BadInputError, match=r"m\.pth: a weight is infinite or no number"):
        read_classifier(classifier_values(network, ("Fig", "Kiwi")), "m.pth")


def test_it_looks_at_grey_pictures_of_its_size() -> None:
    assert looks_at((7, 1, 128, 128))
    assert not looks_at((7, 3, 128, 128))
    assert not looks_at((7, 1, 64, 64))
