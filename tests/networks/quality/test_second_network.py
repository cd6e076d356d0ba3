"""Another network, trained from another seed, puts sets of pictures in the same order."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch.nn.functional import cross_entropy

from networks.fruit_classifier import FruitCNN
from networks.quality.damage import blurred, noisy
from networks.quality.frechet import frechet_distance
from networks.quality.judgement import RealPictures
from networks.quality.seen import see, shipped_classifier
from networks.quality.set_distance import paired_kid
from train.fruits import FRUITS

_STEPS = 60
_BATCH = 20
_NOISE = 0.1  # the shipped one was trained on distorted pictures too


@pytest.fixture(scope="module")
def second_network(real_fruit: RealPictures) -> FruitCNN:
    """A quarter as wide as the shipped one, trained in a second."""
    torch.manual_seed(7)
    network = FruitCNN(width=4)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.005)
    images = torch.from_numpy(real_fruit.pictures).float() / 127.5 - 1
    labels = torch.arange(len(images)) % len(FRUITS)
    for _ in range(_STEPS):
        chosen = torch.randperm(len(images))[:_BATCH]
        levels = _NOISE * torch.rand(_BATCH, 1, 1, 1)
        noisy_ones = images[chosen] + levels * torch.randn_like(images[chosen])
        loss = cross_entropy(network(noisy_ones), labels[chosen])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # PyTorch's own
        optimizer.step()
    return network.eval()


def test_it_is_another_network_that_knows_fruit(
    second_network: FruitCNN, unseen_fruit: RealPictures
) -> None:
    taken_for = see(unseen_fruit.pictures, second_network).probabilities.argmax(axis=1)
    assert np.mean(taken_for == np.arange(len(unseen_fruit)) % len(FRUITS)) > 0.6


def test_both_rank_sets_of_pictures_alike(
    second_network: FruitCNN, real_fruit: RealPictures, unseen_fruit: RealPictures
) -> None:
    pictures = unseen_fruit.pictures
    places = np.arange(len(pictures))
    sets = [
        pictures,
        *(noisy(pictures, 1, levels) for levels in (6, 15, 40)),
        *(blurred(pictures, pixels) for pixels in (1, 2, 4)),
        *(pictures[places % len(FRUITS) < kinds][places % (24 * kinds)] for kinds in (3, 1)),
        *(pictures[places % count] for count in (20, 3)),
    ]
    rankings = []
    for network in (shipped_classifier().network, second_network):
        real = see(real_fruit.pictures, network).features
        found = [see(chosen, network).features for chosen in sets]
        kid = [paired_kid(real, features).value for features in found]
        fid = [frechet_distance(real, features) for features in found]
        rankings.append((kid, fid))
    (kid, fid), (other_kid, other_fid) = rankings
    assert stats.spearmanr(kid, other_kid).statistic > 0.75
    assert stats.spearmanr(fid, other_fid).statistic > 0.75
    assert min(kid) == kid[0]
    assert min(other_kid) == other_kid[0]
