import json
from pathlib import Path
from typing import Any

import pytest
import torch

from checkpoints import save_model_chunked
from chunkport.errors import BadInputError
from networks.cards import load_card
from networks.embedder import Embedder
from networks.embedder_card import embedder_card
from wrappers.detector_intake import load_detector_network, load_embedder_network

CARD: dict[str, Any] = {
    "args": {"nbits": 8, "img_size_proc": 64},
    "embedder": {
        "model": "tile",
        "params": {"channels": 8, "depth": 1, "tile": 4, "psnr_db": 38.0},
    },
    "extractor": {
        "model": "convnext_small",
        "params": {
            "encoder": {"depths": [1, 1, 1, 1], "dims": [8, 8, 8, 8]},
            "pixel_decoder": {"upscale_stages": [1]},
        },
    },
}


@pytest.fixture
def tensors() -> dict[str, torch.Tensor]:
    from networks.detector import build_detector

    torch.manual_seed(0)
    embedder = Embedder(embedder_card(CARD, "card"))
    detector = build_detector(load_card(CARD))
    return {
        **{f"embedder.{name}": value for name, value in embedder.state_dict().items()},
        **{f"detector.{name}": value for name, value in detector.state_dict().items()},
    }


@pytest.mark.parametrize("cap", [90, 0.0625])
def test_both_networks_come_back_from_a_checkpoint_that_says_what_they_are(
    tmp_path: Path, tensors: dict[str, torch.Tensor], cap: float
) -> None:
    save_model_chunked({"model": tensors, **CARD}, tmp_path / "pair.pth", max_chunk_mb=cap)
    for prefix, network in (
        ("embedder.", load_embedder_network(tmp_path / "pair.pth")),
        ("detector.", load_detector_network(tmp_path / "pair.pth")),
    ):
        assert not network.training
        state = network.state_dict()
        assert len(state) == sum(name.startswith(prefix) for name in tensors)
        for name, value in state.items():
            assert torch.equal(value, tensors[prefix + name])


def test_a_detector_alone_has_no_embedder(tmp_path: Path, tensors: dict[str, torch.Tensor]) -> None:
    alone = {name: value for name, value in tensors.items() if name.startswith("detector.")}
    save_model_chunked({"model": alone, **CARD}, tmp_path / "alone.pth")
    with pytest.raises(BadInputError, match=r"alone\.pth: holds no watermark embedder") as refused:
        load_embedder_network(tmp_path / "alone.pth")
    assert "it holds detector; give a checkpoint of train-watermark" in str(refused.value)


def test_a_published_embedder_is_refused_by_name(
    tmp_path: Path, tensors: dict[str, torch.Tensor]
) -> None:
    card = {**CARD, "embedder": {"model": "unet_small2", "params": {}}}
    save_model_chunked({"model": tensors, **card}, tmp_path / "public.pth")
    with pytest.raises(BadInputError, match="'unet_small2' is an embedder that is not known here"):
        load_embedder_network(tmp_path / "public.pth")


def test_a_missing_weight_is_named(tmp_path: Path, tensors: dict[str, torch.Tensor]) -> None:
    del tensors["embedder.head.bias"]
    save_model_chunked({"model": tensors, **CARD}, tmp_path / "pair.pth")
    with pytest.raises(BadInputError, match=r"missing keys: head\.bias"):
        load_embedder_network(tmp_path / "pair.pth")


def test_parts_that_are_called_as_a_cards_sections_are_no_card(
    tmp_path: Path, tensors: dict[str, torch.Tensor]
) -> None:
    """Checkpoints that nest their parts may hold tensors under `embedder` and `extractor`."""
    nested: dict[str, Any] = {"embedder": {}, "detector": {}, "extractor": {"w": torch.ones(2)}}
    for name, value in tensors.items():
        part, _, rest = name.partition(".")
        nested[part][rest] = value
    args = {"args": {**CARD["args"], "extractor_model": "convnext_small"}}
    save_model_chunked({**nested, **args}, tmp_path / "nested.pth")
    with pytest.raises(BadInputError, match=r"or extractor\.params beside it"):
        load_detector_network(tmp_path / "nested.pth")
    card = tmp_path / "card.yaml"
    card.write_text(json.dumps(CARD) + "\n")
    state = load_detector_network(tmp_path / "nested.pth", card).state_dict()
    assert torch.equal(
        state["convnext.stages.0.0.norm.bias"], tensors["detector.convnext.stages.0.0.norm.bias"]
    )
