import numpy as np
import torch

from networks.fruit_features import features_sha256, fruit_features
from networks.quality.judgement import RealPictures
from networks.quality.seen import Seen, see, shipped_classifier, total_variation


def test_it_is_what_the_shipped_classifier_says(unseen_fruit: RealPictures) -> None:
    classifier = shipped_classifier()
    pictures = unseen_fruit.pictures[:70]  # more than are looked at at once
    seen = see(pictures, classifier.network)
    images = pictures.astype(np.float32) / 127.5 - 1
    np.testing.assert_allclose(seen.features, fruit_features(images), atol=1e-4)
    with torch.inference_mode():
        expected = classifier.network(torch.from_numpy(images)).softmax(dim=1).numpy()
    np.testing.assert_allclose(seen.probabilities, expected, atol=1e-5)
    assert classifier.sha256 == features_sha256()


def test_shares_confidence_and_their_distance() -> None:
    probabilities = np.array([[0.9, 0.1, 0], [0.6, 0.4, 0], [0.2, 0.8, 0], [0, 0.3, 0.7]])
    seen = Seen(np.zeros((4, 64), np.float32), probabilities.astype(np.float32))
    assert seen.shares.tolist() == [0.5, 0.25, 0.25]
    assert np.isclose(seen.confidence, (0.9 + 0.6 + 0.8 + 0.7) / 4)
    assert total_variation(seen.shares, np.array([0.25, 0.25, 0.5])) == 0.25
