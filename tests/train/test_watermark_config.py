import json
from typing import Any

import pytest

from chunkport.errors import BadInputError, UsageError
from networks.cards import ConvNextEncoder, load_card
from networks.embedder_card import embedder_card
from train.watermark_config import PROFILES, WatermarkConfig


def test_the_card_describes_both_networks() -> None:
    config = WatermarkConfig(nbits=24, image_size=64, psnr_db=40.0, tile=4)
    card = config.card("pair.pth")
    detector = load_card(card)
    assert (detector.nbits, detector.image_size) == (24, 64)
    assert detector.encoder == ConvNextEncoder(config.depths, config.dims, 4)
    assert detector.checkpoint_path == "pair.pth"
    embedder = embedder_card(card, "card")
    assert (embedder.nbits, embedder.image_size) == (24, 64)
    assert (embedder.psnr_db, embedder.tile) == (40.0, 4)


def test_the_standard_pair_is_the_one_with_a_built_in_card() -> None:
    config = PROFILES["standard"].config
    built_in = load_card("tinyseal")
    trained = load_card(config.card("tinyseal.pth"))
    assert (trained.nbits, trained.image_size) == (built_in.nbits, built_in.image_size)
    assert (trained.extractor, trained.encoder) == (built_in.extractor, built_in.encoder)


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_a_config_survives_json(profile: str) -> None:
    config = PROFILES[profile].config
    assert WatermarkConfig.from_dict(json.loads(json.dumps(config.as_dict()))) == config


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("epochs", 0, "epochs: is 0; give at least 1"),
        ("batch_size", 1, "batch_size: is 1; give at least 2"),
        ("groups", 0, "groups: is 0; give at least 1"),
        ("fading_steps", -1, "fading_steps: is -1; give at least 0"),
        ("learning_rate", 0.0, "learning_rate: is 0.0; give more than 0"),
        ("decay_share", 1.0, "decay_share: is 1.0; give 0 up to below 1"),
        ("clean_share", -0.1, "clean_share: is -0.1; give 0 up to below 1"),
        ("nbits", 0, "key args.nbits: expected an integer of at least 1, found 0"),
        ("image_size", 66, "key args.img_size_proc: expected a multiple of 4, found 66"),
        ("image_size", 32, "images of 32 pixels a side have 1 left, expected at least 2"),
        ("psnr_db", 0.0, "key embedder.params.psnr_db: expected a positive number"),
    ],
)
def test_senseless_values_are_refused(field: str, value: Any, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        WatermarkConfig(**{field: value})
    assert message in str(refused.value)


def test_values_of_another_config_are_refused() -> None:
    values = WatermarkConfig().as_dict()
    del values["tile"]
    with pytest.raises(BadInputError, match="missing or unknown colour, tile"):
        WatermarkConfig.from_dict({**values, "colour": 1})
