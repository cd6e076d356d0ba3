"""What can be asked of a detector, what its contract then says, and what is refused."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from checkpoints import save_model_chunked
from chunkport.errors import BadInputError, UsageError
from networks.cards import load_card
from networks.detector import build_detector
from train.watermark_config import WatermarkConfig
from wrappers.detector_specs import (
    CHUNKYSEAL,
    TINYSEAL,
    VIDEOSEAL_0_0,
    VIDEOSEAL_1_0,
    read_message,
)
from wrappers.registry import find_spec
from wrappers.spec import BuildOptions, ModelSpec

Case = Callable[[str], Any]


def spec_of(case: Any, folder: Path, **options: Any) -> tuple[ModelSpec, Path]:
    checkpoint, card = case.save(folder)
    return CHUNKYSEAL.configured(
        BuildOptions(model_card=card.read_text() + "\n", **options)
    ), checkpoint


@pytest.mark.parametrize(
    "options",
    [
        {"layout": layout, "split_outputs": split, "source_size": source}
        for layout, split, source in itertools.product(
            ("nchw", "nhwc"), (True, False), (None, (50, 120))
        )
    ],
)
def test_wrapper_plain_form_and_contract_agree_with_the_network_in_every_form(
    detector_case: Any, tmp_path: Path, options: dict[str, Any]
) -> None:
    spec, checkpoint = spec_of(detector_case, tmp_path, **options)
    network = spec.open_network(checkpoint)
    contract = spec.contract(network)
    inputs = spec.make_samples(contract, 1, 0)[0]
    expected = spec.reference(network, inputs)
    assert {item.name: item.shape for item in contract.outputs} == {
        name: values.shape for name, values in expected.items()
    }
    image = torch.from_numpy(inputs["image"])
    for build in (spec.build_wrapper, spec.build_plain):
        actual = build(network)(image=image)
        assert list(actual) == [item.name for item in contract.outputs]
        for name, values in actual.items():
            np.testing.assert_allclose(values.detach().numpy(), expected[name], atol=2e-6)


def test_the_reference_is_the_public_detectors_own_answer(
    detector_case: Any, tmp_path: Path
) -> None:
    spec, checkpoint = spec_of(detector_case, tmp_path)
    network = spec.open_network(checkpoint)
    preds = spec.reference(network, {"image": detector_case.image.numpy()})["preds"]
    np.testing.assert_allclose(preds, detector_case.logits.numpy(), atol=1e-5)


def test_the_published_models_stand_as_documented() -> None:
    shapes = {}
    for name in ("chunkyseal", "pixelseal", "videoseal-1.0", "videoseal-0.0"):
        with torch.device("meta"):
            from networks.cards import load_card
            from networks.detector import build_detector

            network = build_detector(load_card(name))
        contract = find_spec(name).contract(network)
        assert contract.inputs[0].shape == (1, 3, 256, 256)
        assert contract.inputs[0].value_range == "[0, 1]"
        shapes[name] = contract.outputs[0].shape
    assert shapes == {
        "chunkyseal": (1, 1025),
        "pixelseal": (1, 257),
        "videoseal-1.0": (1, 257),
        "videoseal-0.0": (1, 97),
    }


@pytest.mark.parametrize(
    ("options", "stem"),
    [
        ({}, "chunkyseal_detector_256"),
        ({"image_size": 512}, "chunkyseal_detector_512"),
        ({"layout": "nhwc", "split_outputs": True}, "chunkyseal_detector_256_nhwc_split"),
        ({"layout": "nhwc", "target": "gpu"}, "chunkyseal_detector_256_nhwc_gpu"),
        ({"source_size": (720, 1280)}, "chunkyseal_detector_256_from_720x1280"),
    ],
)
def test_file_names_tell_how_a_model_was_built(options: dict[str, Any], stem: str) -> None:
    assert CHUNKYSEAL.configured(BuildOptions(**options)).file_stem == stem


def test_a_convnext_is_built_for_another_size_and_a_transformer_is_not(
    named_detector_case: Case, tmp_path: Path
) -> None:
    spec, checkpoint = spec_of(named_detector_case("convnext_stride4"), tmp_path, image_size=70)
    network = spec.open_network(checkpoint)
    inputs = spec.make_samples(spec.contract(network), 1, 0)[0]
    assert inputs["image"].shape == (1, 3, 70, 70)
    actual = spec.build_wrapper(network)(image=torch.from_numpy(inputs["image"]))["preds"]
    np.testing.assert_allclose(actual, spec.reference(network, inputs)["preds"], atol=2e-6)
    with pytest.raises(UsageError, match=r"'videoseal-0\.0' has learned positions for 256 pixels"):
        VIDEOSEAL_0_0.configured(BuildOptions(image_size=512))
    assert VIDEOSEAL_0_0.configured(BuildOptions(image_size=256)).file_stem.endswith("_256")


def test_a_size_that_leaves_nothing_to_see_is_refused() -> None:
    with pytest.raises(UsageError, match="sees nothing in 32 pixels a side"):
        VIDEOSEAL_1_0.configured(BuildOptions(image_size=32))


def test_a_checkpoint_of_another_detector_is_refused(
    named_detector_case: Case, tmp_path: Path
) -> None:
    checkpoint, _ = named_detector_case("vit").save(tmp_path)
    with pytest.raises(BadInputError, match="missing keys: convnext"):
        VIDEOSEAL_1_0.open_network(checkpoint)


@pytest.mark.parametrize("changed", [{"nbits": 16}, {"image_size": 160}])
def test_a_checkpoint_that_says_what_it_is_is_taken_for_nothing_else(
    tmp_path: Path, changed: dict[str, Any]
) -> None:
    """The weights of one trained for another picture size would even fit."""
    card = WatermarkConfig(**changed).card("pair.pth")
    tensors = {
        f"detector.{name}": value
        for name, value in build_detector(load_card(card)).state_dict().items()
    }
    save_model_chunked({**card, "model": tensors}, tmp_path / "pair.pth")
    with pytest.raises(BadInputError, match=r"built-in card tinyseal .*; give its own card"):
        TINYSEAL.open_network(tmp_path / "pair.pth")
    own = TINYSEAL.configured(BuildOptions(model_card=json.dumps(card)))
    own.open_network(tmp_path / "pair.pth")


def test_messages_are_read_the_same_whole_and_split() -> None:
    logits = np.array([[1.5, -0.1, 0.2, 0.0, 3.0, 0.1, -9.0]], dtype=np.float32)
    whole = read_message({"preds": logits})
    assert (whole.confidence, whole.bits) == (1.5, (0, 1, 0, 1, 1, 0))
    assert read_message({"detection": logits[:, :1], "message": logits[:, 1:]}) == whole
