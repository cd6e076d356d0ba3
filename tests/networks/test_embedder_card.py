import copy
from typing import Any

import pytest
import yaml

from chunkport.errors import BadInputError
from networks.embedder_card import EmbedderCard, embedder_card

RAW: dict[str, Any] = {
    "args": {"nbits": 16, "img_size_proc": 64},
    "embedder": {
        "model": "tile",
        "params": {"channels": 8, "depth": 2, "tile": 4, "psnr_db": 40},
    },
}


def edited(section: str, key: str, value: Any) -> dict[str, Any]:
    card = copy.deepcopy(RAW)
    holder = card
    for name in section.split("."):
        holder = holder[name]
    holder[key] = value
    return card


def test_it_is_read_from_a_mapping_whose_args_may_be_a_text() -> None:
    expected = EmbedderCard(16, 64, channels=8, depth=2, tile=4, psnr_db=40.0)
    assert embedder_card(RAW, "card") == expected
    assert embedder_card({**RAW, "args": yaml.safe_dump(RAW["args"])}, "card") == expected


def test_the_psnr_becomes_a_root_mean_square() -> None:
    assert embedder_card(RAW, "card").rms == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("embedder", "model", "unet_small2", "key embedder.model: 'unet_small2' is an embedder"),
        ("embedder.params", "channels", 0, "key embedder.params.channels: expected an integer"),
        ("embedder.params", "psnr_db", -1, "key embedder.params.psnr_db: expected a positive"),
        ("embedder.params", "colour", True, "key embedder.params.colour is not known here"),
        ("args", "img_size_proc", 66, "key args.img_size_proc: expected a multiple of 4"),
        ("args", "nbits", "many", "key args.nbits: expected an integer"),
    ],
)
def test_what_it_cannot_be_is_refused(section: str, key: str, value: Any, message: str) -> None:
    with pytest.raises(BadInputError, match="my card") as refused:
        embedder_card(edited(section, key, value), "my card")
    assert message in str(refused.value)


def test_a_card_without_an_embedder_says_so() -> None:
    with pytest.raises(BadInputError, match="key embedder is missing"):
        embedder_card({"args": RAW["args"]}, "my card")
