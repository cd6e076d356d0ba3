"""The page's own preparation of pictures, in Node, against PyTorch's."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from verify.bundle.preprocessing import TENSOR_TOLERANCE, picture_contract
from wrappers import detector_specs
from wrappers.detector_graph import DetectorInterface
from wrappers.detector_pictures import fit_pixels
from wrappers.rewrite_pixels import resize_matrix

pytestmark = pytest.mark.integration

RunNode = Callable[..., Any]
PROGRAM = """
const { tensorOf } = await load("preprocessing.js");
const { width, height, contract } = JSON.parse(readFileSync(`${folder}case.json`));
const data = new Uint8ClampedArray(readFileSync(`${folder}pixels`));
writeFileSync(`${folder}tensor`, tensorOf({ width, height, data }, contract));
"""


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("size", [(64, 64), (31, 200), (640, 65), (1, 3), (63, 64), (2000, 1500)])
def test_pixels_become_the_tensor_that_pytorch_makes(
    run_node: RunNode, tmp_path: Path, layout: str, size: tuple[int, int]
) -> None:
    interface = DetectorInterface(
        "nhwc" if layout == "nhwc" else "nchw", 64, (48, 80), split_outputs=False
    )
    contract = interface.contract(32)
    rgba = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 4), np.uint8)
    described = picture_contract(detector_specs.TINYSEAL, contract)
    case = {"width": size[0], "height": size[1], "contract": described}
    (tmp_path / "case.json").write_text(json.dumps(case))
    (tmp_path / "pixels").write_bytes(rgba.tobytes())
    run_node(PROGRAM)
    made = np.fromfile(tmp_path / "tensor", dtype="<f4").reshape(contract.inputs[0].shape)
    expected = fit_pixels(contract, np.ascontiguousarray(rgba[..., :3]))["image"]
    assert np.abs(made - expected).max() < TENSOR_TOLERANCE / 2


@pytest.mark.parametrize(("before", "after"), [(7, 7), (7, 3), (3, 7), (100, 1), (1, 5), (640, 64)])
def test_the_weights_are_pytorchs(run_node: RunNode, before: int, after: int) -> None:
    rows = run_node(
        "const { weightsOf } = await load('preprocessing.js');"
        f"return weightsOf({before}, {after});"
    )
    matrix = np.zeros((after, before))
    for row, taps in zip(matrix, rows, strict=True):
        row[taps["first"] : taps["first"] + len(taps["weights"])] = taps["weights"]
    assert matrix == pytest.approx(resize_matrix(before, after).numpy(), abs=1e-12)


def test_exif_is_cut_out_of_a_jpeg_and_nothing_else(run_node: RunNode, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "turned.jpg", exif=exif)
    Image.fromarray(pixels).save(tmp_path / "plain.jpg")
    run_node(
        "const { withoutExif } = await load('decoding.js');"
        "const parts = withoutExif(readFileSync(`${folder}turned.jpg`));"
        "writeFileSync(`${folder}cut.jpg`, Buffer.concat(parts));"
    )
    with Image.open(tmp_path / "cut.jpg") as cut, Image.open(tmp_path / "plain.jpg") as plain:
        assert not cut.getexif()
        assert np.array_equal(np.asarray(cut), np.asarray(plain))


def test_other_files_stay_as_they_are(run_node: RunNode) -> None:
    lengths = run_node(
        "const { withoutExif } = await load('decoding.js');"
        "const cut = [0xff, 0xd8, 0xff, 0xe1, 0, 200];"
        "const files = [[], [0xff], [0xff, 0xd8], cut, [137, 80, 78]];"
        "const parts = (file) => withoutExif(Uint8Array.from(file));"
        "return files.map((file) => parts(file).map((part) => [...part]).flat());"
    )
    assert lengths[:3] == [[], [0xFF], [0xFF, 0xD8]]
    assert lengths[4] == [137, 80, 78]
