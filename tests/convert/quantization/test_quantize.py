"""Weights that do not fit a precision are refused; the rest lose no more than it costs."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from chunkport.errors import ConversionError
from convert.float_model import export
from convert.quantization.precision import recipe_of
from convert.quantization.quantize import quantize
from convert.quantization.recipe import Recipe, Rule
from convert.tflite import constants, op_kind, read_flatbuffer
from verify.runtimes.litert import LiteRtSession
from wrappers.detector_graph import resize_as_public
from wrappers.rewrite_pixels import AntialiasedResize

WriteTflite = Callable[..., Path]


def test_a_weight_beyond_float16_is_refused_by_name(
    tmp_path: Path, write_tflite: WriteTflite
) -> None:
    values = {"small": np.ones(3, np.float32), "large": np.array([1, -7e4], np.float32)}
    path = write_tflite(tmp_path / "a.tflite", values)
    with pytest.raises(ConversionError, match=r"'large' holds 7e\+04, beyond FP16's 65504"):
        quantize(path, recipe_of("fp16"), tmp_path / "b.tflite")
    assert [file.name for file in tmp_path.iterdir()] == ["a.tflite"]


@pytest.mark.parametrize(("granularity", "scales"), [("channel", 4096), ("tensor", 1)])
def test_a_layer_has_a_scale_for_each_channel_or_one_for_all(
    generator_tflites: dict[str, Path], tmp_path: Path, granularity: str, scales: int
) -> None:
    rule = Rule("int4", granularity=granularity, op="FULLY_CONNECTED")
    quantize(generator_tflites["fp32"], Recipe((rule,)), tmp_path / "made.tflite")
    (graph,) = read_flatbuffer(tmp_path / "made.tflite").subgraphs
    given = [tensor.quantization for tensor in graph.tensors if tensor.quantization]
    assert [len(one.scale) for one in given if one.scale is not None] == [scales]


@pytest.mark.integration
@pytest.mark.parametrize(("precision", "dtype"), [("fp16", np.float16), ("int8-dynamic", np.int8)])
def test_nearly_all_weights_are_stored_in_the_precision_asked_for(
    generator_tflites: dict[str, Path], precision: str, dtype: type[np.generic]
) -> None:
    float_bytes = sum(
        constant.values.nbytes for constant in constants(read_flatbuffer(generator_tflites["fp32"]))
    )
    stored = [
        constant.values
        for constant in constants(read_flatbuffer(generator_tflites[precision]))
        if constant.values.dtype == dtype
    ]
    weights = sum(values.size for values in stored)
    assert weights > 0.95 * float_bytes / 4


@pytest.mark.integration
def test_float16_weights_are_those_of_the_float32_file_rounded_once(
    generator_tflites: dict[str, Path],
) -> None:
    exact, rounded = (
        {
            constant.values.astype(np.float16).tobytes()
            for constant in constants(read_flatbuffer(generator_tflites[precision]))
            if constant.values.dtype == dtype and constant.values.size > 1000
        }
        for precision, dtype in (("fp32", np.float32), ("fp16", np.float16))
    )
    assert len(rounded) > 5
    assert rounded <= exact  # biases stay in float32


class _Resize(torch.nn.Module):
    """Nothing but the resize, as the detectors have it in front."""

    def __init__(self, *, channels_last: bool) -> None:
        super().__init__()
        self.resize = AntialiasedResize(50, 90, 40, channels_last=channels_last).float()

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"resized": self.resize(image)}


@pytest.mark.integration
@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize("precision", ["fp16", "int8-dynamic"])
def test_a_picture_is_resized_exactly_in_every_precision(
    tmp_path: Path, precision: str, channels_last: bool
) -> None:
    image = torch.rand(1, 3, 50, 90, generator=torch.Generator().manual_seed(0))
    expected = resize_as_public(image, (40, 40)).permute(0, 2, 3, 1).numpy()
    given = image.permute(0, 2, 3, 1).contiguous() if channels_last else image
    export(_Resize(channels_last=channels_last).eval(), {"image": given}, tmp_path / "a.tflite")
    quantize(tmp_path / "a.tflite", recipe_of(precision), tmp_path / "b.tflite")
    resized = LiteRtSession(tmp_path / "b.tflite", 1).run({"image": given.numpy()})["resized"]
    np.testing.assert_allclose(resized, expected, rtol=0, atol=1e-6)


@pytest.mark.integration
def test_each_algorithm_chooses_scales_of_its_own(
    generator_tflites: dict[str, Path], tmp_path: Path
) -> None:
    scales = {}
    for name in ("min-max", "octav", "mse"):
        target = tmp_path / f"{name}.tflite"
        rule = Rule("int4", algorithm=name, op="FULLY_CONNECTED")
        quantize(generator_tflites["fp32"], Recipe((rule,)), target)
        model = read_flatbuffer(target)
        (graph,) = model.subgraphs
        (scales[name],) = (
            np.asarray(graph.tensors[op.inputs[1]].quantization.scale)
            for op in graph.operators
            if op_kind(model, op) == "FULLY_CONNECTED"
        )
    assert (scales["octav"] < scales["min-max"]).mean() > 0.9  # it cuts the largest
    beside = scales["mse"] / scales["octav"]
    assert beside.std() > 0.01  # by the mean square, the largest or not: another one per channel
