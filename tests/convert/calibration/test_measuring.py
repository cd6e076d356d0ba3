"""Ranges are those that the float32 file really reaches, and static files are made of them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from chunkport.errors import BadInputError
from convert.calibration.measuring import find_ranges
from convert.calibration.ranges import write_ranges
from convert.calibration.samples import CalibrationChoice
from convert.card import read_card
from convert.float_model import export
from convert.quantization.derivation import derive
from convert.quantization.precision import recipe_of, wholly_integer
from convert.quantization.quantize import quantize
from convert.tflite import op_counts, read_flatbuffer
from verify.runtimes.litert import LiteRtSession

pytestmark = pytest.mark.integration


def _folder_of(samples: list[np.ndarray], folder: Path) -> CalibrationChoice:
    folder.mkdir()
    for number, values in enumerate(samples):
        np.save(folder / f"{number}.npy", values)
    return CalibrationChoice(folder)


class _Layers(nn.Module):
    """Every op that stands in for one that the quantizer knows, and a product with weights."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = nn.Linear(8, 16), nn.Linear(16, 4)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        y = nn.functional.leaky_relu(self.first(x), 0.2)
        y = torch.minimum(nn.functional.relu6(y) + y, torch.abs(y))
        return {"y": torch.tanh(self.last(y))}


def _draw(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal((1, 8), dtype=np.float32) for _ in range(count)]


@pytest.mark.parametrize("precision", ["int8-static", "int16x8"])
@pytest.mark.parametrize("integer_io", [True, False])
def test_every_op_computes_in_integers_and_near_the_float_file(
    tmp_path: Path, precision: str, integer_io: bool
) -> None:
    module, samples = _Layers().eval(), _draw(32)
    expected = [module(torch.from_numpy(x))["y"].detach().numpy() for x in samples]
    export(module, {"x": torch.zeros(1, 8)}, tmp_path / "a.tflite")
    ranges = find_ranges(tmp_path / "a.tflite", _folder_of(samples, tmp_path / "samples"))
    recipe = recipe_of(precision)
    recipe = wholly_integer(recipe) if integer_io else recipe
    made = derive(
        tmp_path / "a.tflite", "mixed", recipe, tmp_path / "b.tflite", None, ranges=ranges
    )
    kinds = op_counts(read_flatbuffer(tmp_path / "b.tflite"))
    assert {"LEAKY_RELU", "ABS", "MINIMUM"} <= set(kinds)
    assert [item.op.kind for item in made.left] == []
    session = LiteRtSession(tmp_path / "b.tflite", 1)
    found = [session.run({"x": x})["y"] for x in samples]
    assert np.abs(np.array(found) - np.array(expected)).max() < 0.06


def test_ranges_are_the_extremes_of_all_samples(tmp_path: Path) -> None:
    module, samples = _Layers().eval(), _draw(16)
    export(module, {"x": torch.zeros(1, 8)}, tmp_path / "a.tflite")
    ranges = find_ranges(tmp_path / "a.tflite", _folder_of(samples, tmp_path / "samples"))
    given = next(held for name, held in ranges.tensors.items() if "_x" in name)
    assert (given.lowest, given.highest) == (np.min(samples), np.max(samples))
    assert given.lowest < given.low < given.high < given.highest
    assert given.rms == pytest.approx(np.sqrt(np.mean(np.square(samples))), rel=1e-5)
    outputs = [module(torch.from_numpy(x))["y"].detach().numpy() for x in samples]
    assert any(
        abs(held.highest - np.max(outputs)) < 1e-5 and abs(held.lowest - np.min(outputs)) < 1e-5
        for held in ranges.tensors.values()
    )


def test_a_sample_that_overflows_is_named(tmp_path: Path) -> None:
    export(_Layers().eval(), {"x": torch.zeros(1, 8)}, tmp_path / "a.tflite")
    samples = [*_draw(1), np.full((1, 8), 3e38, np.float32)]
    with pytest.raises(BadInputError, match="sample 1 of the calibration makes"):
        find_ranges(tmp_path / "a.tflite", _folder_of(samples, tmp_path / "samples"))


def test_ranges_are_used_again_by_their_own_file_alone(
    tmp_path: Path, generator_tflites: dict[str, Path]
) -> None:
    source = generator_tflites["fp32"]
    ranges = find_ranges(source, CalibrationChoice(samples=4), "gan-generator")
    write_ranges(ranges, tmp_path / "ranges.json")
    again = CalibrationChoice(ranges=tmp_path / "ranges.json")
    assert find_ranges(source, again) == ranges
    export(_Layers().eval(), {"x": torch.zeros(1, 8)}, tmp_path / "other.tflite")
    with pytest.raises(BadInputError, match="measured on another float32 model: it has no tensor"):
        find_ranges(tmp_path / "other.tflite", again)


def test_a_card_tells_of_the_calibration_and_of_integer_inputs(
    tmp_path: Path, generator_tflites: dict[str, Path]
) -> None:
    source, card = generator_tflites["fp32"], read_card(generator_tflites["fp32"])
    ranges = find_ranges(source, CalibrationChoice(samples=4), "gan-generator")
    recipe = wholly_integer(recipe_of("int8-static"))
    derive(source, "int8-static", recipe, tmp_path / "a.tflite", card, ranges=ranges)
    told = read_card(tmp_path / "a.tflite")
    assert told is not None
    assert (told.calibration["source"], told.calibration["count"]) == ("drawn", 4)
    assert len(told.calibration["layers"]) == 17  # a Linear and 16 convolutions
    (latent,) = told.contract["inputs"]
    session = LiteRtSession(tmp_path / "a.tflite", 1)
    found = session._interpreter.get_input_details()[0]["quantization"]
    assert (latent["dtype"], latent["scale"], latent["zero_point"]) == ("int8", *found)


class _QuietNorm(nn.Module):
    """A norm over the channels of pixels that may be a thousand times apart."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.norm, self.linear = nn.LayerNorm(16), nn.Linear(16, 16)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"y": torch.tanh(self.linear(self.norm(x)))}


def test_quiet_pixels_survive_a_norm_beside_loud_ones(tmp_path: Path) -> None:
    module = _QuietNorm().eval()
    loudness = np.geomspace(1, 1e-2, 64).reshape(1, 64, 1)
    rng = np.random.default_rng(0)
    samples = [(rng.standard_normal((1, 64, 16)) * loudness).astype(np.float32) for _ in range(16)]
    expected = np.array([module(torch.from_numpy(x))["y"].detach().numpy() for x in samples])
    export(module, {"x": torch.zeros(1, 64, 16)}, tmp_path / "a.tflite")
    ranges = find_ranges(tmp_path / "a.tflite", _folder_of(samples, tmp_path / "samples"))
    quantize(tmp_path / "a.tflite", recipe_of("int8-static"), tmp_path / "b.tflite", ranges)
    session = LiteRtSession(tmp_path / "b.tflite", 1)
    found = np.array([session.run({"x": x})["y"] for x in samples])
    # In 8 bits from end to end the quietest would be nothing but noise, 0.5 on average.
    assert np.abs(found - expected)[:, :, -8:].mean() < 0.05
