"""What the contract says, and that its words and data lead to what PyTorch does."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from verify.bundle.preprocessing import TENSOR_TOLERANCE, picture_contract, plain_contract
from verify.bundle.run_goldens import picture_tensor
from wrappers import detector_specs, gan_generator
from wrappers.detector_graph import DetectorInterface
from wrappers.detector_pictures import read_pictures
from wrappers.registry import find_spec
from wrappers.spec import BuildOptions, Contract, TensorSpec


def _contract(layout: str, size: tuple[int, int] | None = None) -> Contract:
    assert layout in {"nchw", "nhwc"}
    interface = DetectorInterface(
        "nhwc" if layout == "nhwc" else "nchw", 64, size, split_outputs=False
    )
    return interface.contract(32)


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P"])
@pytest.mark.parametrize("size", [(64, 64), (31, 200), (640, 65), (1, 3), (63, 64)])
def test_pillow_and_numpy_alone_give_what_pytorch_gives(
    tmp_path: Path, layout: str, mode: str, size: tuple[int, int]
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 4), np.uint8)
    path = tmp_path / "picture.png"
    Image.fromarray(noise if "A" in mode else noise[..., :3]).convert(mode).save(path)
    contract = _contract(layout)
    described = picture_contract(detector_specs.TINYSEAL, contract)
    assert described is not None
    made = picture_tensor(path, described)
    (expected,) = read_pictures(contract, [path])
    assert made.shape == expected["image"].shape
    assert np.abs(made - expected["image"]).max() < TENSOR_TOLERANCE / 10


def test_a_picture_that_the_model_resizes_is_asked_for_in_its_own_size() -> None:
    spec = find_spec("tinyseal", BuildOptions(source_size=(48, 80), layout="nhwc"))
    described = picture_contract(spec, _contract("nhwc", (48, 80)))
    assert described is not None
    assert (described["resize"]["width"], described["resize"]["height"]) == (80, 48)
    assert described["shape"] == [1, 48, 80, 3]
    assert "Resize to 80 x 48" in described["words"][3]


def test_a_generator_has_no_pictures_and_says_what_its_noise_is() -> None:
    latent = TensorSpec("latent", (1, 7), "features", "N(0, 1)", "noise")
    contract = Contract((latent,), ())
    assert picture_contract(gan_generator.SPEC, contract) is None
    assert plain_contract(contract)["words"] == [
        "'latent' is float32 of shape 1 x 7, N(0, 1): noise."
    ]
