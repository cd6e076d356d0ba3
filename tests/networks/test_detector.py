from pathlib import Path
from typing import Any

import pytest
import torch

from networks.cards import load_card
from networks.detector import build_detector

DATA = Path(__file__).parent / "data"


def test_logits_are_those_of_the_public_detector(detector_case: Any) -> None:
    detector = build_detector(load_card(detector_case.card)).eval()
    detector.load_state_dict(detector_case.state_dict(), strict=True)
    with torch.no_grad():
        single = detector(detector_case.image)
        double = detector.double()(detector_case.image.double())
    torch.testing.assert_close(single.double(), detector_case.logits, rtol=0, atol=1e-5)
    torch.testing.assert_close(double, detector_case.logits, rtol=0, atol=1e-12)


def test_images_of_a_batch_do_not_touch_each_other(detector_case: Any) -> None:
    detector = build_detector(load_card(detector_case.card)).eval()
    detector.load_state_dict(detector_case.state_dict())
    pair = torch.cat([1 - detector_case.image, detector_case.image]).double()
    with torch.no_grad():
        second = detector.double()(pair)[1:]
    torch.testing.assert_close(second, detector_case.logits, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("model", "keys", "parameters"),
    [
        ("chunkyseal", "chunkyseal", 773_715_209),
        ("pixelseal", "videoseal-1.0", 33_372_545),  # one architecture, two trainings
        ("videoseal-1.0", "videoseal-1.0", 33_372_545),
        ("videoseal-0.0", "videoseal-0.0", 24_559_713),
    ],
)
def test_state_dict_is_that_of_the_published_model(model: str, keys: str, parameters: int) -> None:
    with torch.device("meta"):
        detector = build_detector(load_card(model))
    shapes = [
        f"{key} {'x'.join(str(side) for side in tensor.shape)}"
        for key, tensor in detector.state_dict().items()
    ]
    assert shapes == (DATA / f"{keys}.keys.txt").read_text(encoding="utf-8").splitlines()
    assert sum(parameter.numel() for parameter in detector.parameters()) == parameters


@pytest.mark.parametrize("model", ["chunkyseal", "pixelseal", "videoseal-1.0", "videoseal-0.0"])
def test_published_model_answers_its_image_size_with_a_logit_per_bit(model: str) -> None:
    card = load_card(model)
    with torch.device("meta"):
        detector = build_detector(card)
        logits = detector(torch.zeros(1, 3, card.image_size, card.image_size))
    assert logits.shape == (1, 1 + card.nbits)
