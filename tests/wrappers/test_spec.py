"""What passes a limit, and by how much."""

import json

import pytest

from chunkport.errors import UsageError
from wrappers.gan_generator import SPEC
from wrappers.spec import (
    BuildOptions,
    Contract,
    Limit,
    Message,
    Target,
    TensorSpec,
    at_least,
    at_most,
)


@pytest.mark.parametrize(
    ("limit", "value", "admitted", "margin"),
    [
        (at_most("error", 0.5), 0.25, True, 0.25),
        (at_most("error", 0.5), 0.5, True, 0.0),
        (at_most("error", 0.5), 0.75, False, -0.25),
        (at_least("psnr_db", 40), 42.5, True, 2.5),
        (at_least("psnr_db", 40), 40, True, 0),
        (at_least("psnr_db", 40), 38, False, -2),
        (at_least("psnr_db", 40), float("inf"), True, float("inf")),
    ],
)
def test_a_bound_itself_passes_and_margins_are_negative_outside(
    limit: Limit, value: float, admitted: bool, margin: float
) -> None:
    assert limit.admits(value) is admitted
    assert limit.margin(value) == margin


@pytest.mark.parametrize("limit", [at_most("error", 0.5), at_least("psnr_db", 40)])
def test_nan_passes_no_limit(limit: Limit) -> None:
    assert not limit.admits(float("nan"))


def test_a_contract_is_plain_json_values() -> None:
    latent = TensorSpec("latent", (1, 4), "features", "N(0, 1)", "noise")
    assert Contract((latent,), ()).to_json() == {
        "inputs": [
            {
                "name": "latent",
                "shape": (1, 4),
                "layout": "features",
                "value_range": "N(0, 1)",
                "meaning": "noise",
                "dtype": "float32",
            },
        ],
        "outputs": [],
    }


def test_a_contract_is_the_same_after_a_way_through_a_file() -> None:
    image = TensorSpec("image", (1, 3, 8, 8), "nchw", "[0, 1]", "picture")
    contract = Contract((image,), (TensorSpec("preds", (1, 5), "features", "logits", "bits"),))
    assert Contract.from_json(json.loads(json.dumps(contract.to_json()))) == contract


@pytest.mark.parametrize(
    "options",
    [
        BuildOptions(),
        BuildOptions("nhwc", 512, (720, 1280), split_outputs=True, model_card="args: {}\n"),
        BuildOptions(target="gpu"),
        BuildOptions(target="npu"),
    ],
)
def test_build_options_are_the_same_after_a_way_through_a_file(options: BuildOptions) -> None:
    assert BuildOptions.from_json(json.loads(json.dumps(options.to_json()))) == options


def test_a_model_without_options_refuses_them_by_name() -> None:
    assert SPEC.configured(BuildOptions()) is SPEC
    with pytest.raises(UsageError, match="'gan-generator' has no choice of layout, image-size"):
        SPEC.configured(BuildOptions(layout="nhwc", image_size=64))


@pytest.mark.parametrize(("target", "named"), [("gpu", "a GPU"), ("npu", "an NPU")])
def test_a_model_that_they_take_as_it_is_says_so(target: Target, named: str) -> None:
    with pytest.raises(UsageError, match=f"no rewrites for {named}; leave out --target: its one"):
        SPEC.configured(BuildOptions(target=target))


@pytest.mark.parametrize(
    ("bits", "text", "ones"),
    [
        ((1, 0, 1, 0, 1, 1, 1, 1), "af", 6),
        ((0, 0, 0, 0, 0, 0, 0, 1), "01", 1),
        ((1, 1, 0, 0, 1), "c8", 3),  # the last digit is filled with zeros
        ((1,), "8", 1),
    ],
)
def test_a_message_in_hex(bits: tuple[int, ...], text: str, ones: int) -> None:
    message = Message(0.5, bits)
    assert (message.hex, message.ones) == (text, ones)
