"""The classifier that is shipped, and what distances in its features say of pictures."""

import hashlib
import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage

from checkpoints import load_model_chunked
from networks.fruit_features import WEIGHTS, features_sha256, fruit_classifier, fruit_features
from networks.quality.set_distance import chance_kid, paired_kid
from train.classifier_config import ClassifierConfig
from train.fruits import FRUITS, render_fruit
from train.images import to_unit_range
from train.picture_files import seed_of

Images = NDArray[np.float32]
_UNSEEN = 1 << 25
_EACH = 32


@pytest.fixture(scope="module")
def fruit() -> Images:
    """Pictures that nothing was trained on, so many of each kind, in turn; (N, 1, 128, 128)."""
    drawn = [
        render_fruit(kind, seed_of(0, _UNSEEN + number))
        for number in range(_EACH)
        for kind in FRUITS
    ]
    images: Images = to_unit_range(torch.from_numpy(np.stack(drawn)))[:, None].numpy()
    return images


def distance(fruit: Images, changed: Images) -> float:
    return paired_kid(fruit_features(fruit), fruit_features(changed)).value


def rising(values: list[float]) -> bool:
    return all(before < after for before, after in pairwise(values))


def test_it_tells_fruit_apart_that_it_never_saw(fruit: Images) -> None:
    network, classes = fruit_classifier()
    assert classes == FRUITS
    with torch.inference_mode():
        taken_for = network(torch.from_numpy(fruit)).argmax(dim=1).numpy()
    assert np.mean(taken_for == np.arange(len(fruit)) % len(FRUITS)) >= 0.99


def test_it_is_small_and_a_checkpoint_like_any_other() -> None:
    assert WEIGHTS.stat().st_size < 500_000
    assert features_sha256() == hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    values = load_model_chunked(WEIGHTS)
    stored, used = values["classifier_state_dict"], fruit_classifier()[0].state_dict()
    assert stored.keys() == used.keys()
    assert all(torch.equal(stored[name], used[name]) for name in used)


def test_it_tells_how_it_was_made() -> None:
    told = json.loads((WEIGHTS.parent / "training_metadata.json").read_text())
    made = dict(told["hyperparameters"])
    provenance = {key: made.pop(key) for key in ("command", "data", "pictures")}
    assert provenance["command"] == "chunkport train-classifier --seed 0"
    assert ClassifierConfig.from_dict(made) == ClassifierConfig(FRUITS)
    assert told["metrics"]["accuracy"] >= 0.99


def test_features_do_not_depend_on_how_many_are_computed_at_once(fruit: Images) -> None:
    together = fruit_features(fruit)
    assert together.shape == (len(fruit), 64)
    np.testing.assert_allclose(fruit_features(fruit[3:4]), together[3:4], atol=1e-4)


def test_equal_pictures_are_not_apart(fruit: Images) -> None:
    assert distance(fruit, fruit.copy()) == 0


def test_more_noise_is_further_away(fruit: Images) -> None:
    noise = np.random.default_rng(0).standard_normal(fruit.shape).astype(np.float32)
    assert rising([distance(fruit, fruit + size * noise) for size in (0, 0.02, 0.05, 0.1, 0.2)])


def test_more_blur_is_further_away(fruit: Images) -> None:
    blurred = [ndimage.gaussian_filter(fruit, (0, 0, sigma, sigma)) for sigma in (0.5, 1, 2, 4)]
    assert rising([0, *(distance(fruit, pictures) for pictures in blurred)])


def test_dropped_kinds_are_further_away_the_more_there_are(fruit: Images) -> None:
    kinds = np.arange(len(fruit)) % len(FRUITS)
    apart = []
    for kept in (5, 4, 3, 2, 1):
        pictures = fruit[kinds < kept]
        apart.append(distance(fruit, pictures[np.arange(len(fruit)) % len(pictures)]))
    assert apart[0] == 0
    assert rising(apart)


def test_repeated_pictures_are_further_away_the_fewer_there_are(fruit: Images) -> None:
    features = fruit_features(fruit)
    floor = chance_kid(features)
    repeated = (features[np.arange(len(fruit)) % count] for count in (4, 2, 1))
    few = [paired_kid(features, others).value for others in repeated]
    assert rising([floor, *few])
