"""Every weight is found in files of few bits and of ranges, and one that is off is not."""

from pathlib import Path

import numpy as np
import pytest

from checkpoints import load_model_chunked
from convert.audit import find_weights
from convert.quantization.precision import recipe_of
from convert.quantization.quantize import quantize
from convert.quantization.recipe import Recipe, Rule
from convert.stored.weight_origins import NEAREST, Rounding
from convert.tflite import is_packed, read_flatbuffer, write_flatbuffer
from wrappers.gan_generator import GeneratorForTflite, load_network

pytestmark = pytest.mark.integration


@pytest.fixture
def module(generator_checkpoint: Path) -> GeneratorForTflite:
    return GeneratorForTflite(load_network(load_model_chunked(generator_checkpoint), "checkpoint"))


@pytest.mark.parametrize("precision", ["int4-dynamic", "int4-block32", "int8-static", "int16x8"])
def test_every_weight_is_found_as_rounded_to_the_nearest(
    module: GeneratorForTflite, generator_integers: dict[str, Path], precision: str
) -> None:
    search = find_weights(module, generator_integers[precision])
    assert (search.lost, search.found) == ((), 34)


def test_a_value_one_step_off_is_found_out(
    module: GeneratorForTflite, generator_integers: dict[str, Path], tmp_path: Path
) -> None:
    model = read_flatbuffer(generator_integers["int4-dynamic"])
    weights = [tensor for tensor in model.subgraphs[0].tensors if is_packed(tensor)]
    weight = max(weights, key=lambda tensor: len(model.buffers[tensor.buffer].data))
    changed = np.array(model.buffers[weight.buffer].data)
    changed[100] ^= 0x02
    model.buffers[weight.buffer].data = changed
    write_flatbuffer(model, tmp_path / "off.tflite")
    assert find_weights(module, tmp_path / "off.tflite").lost == ("fc.weight",)


def test_clipped_weights_are_found_where_the_recipe_clips(
    module: GeneratorForTflite, generator_tflites: dict[str, Path], tmp_path: Path
) -> None:
    quantize(
        generator_tflites["fp32"], Recipe((Rule("int4", algorithm="octav"),)), tmp_path / "a.tflite"
    )
    assert "fc.weight" in find_weights(module, tmp_path / "a.tflite", rounding=NEAREST).lost
    assert find_weights(module, tmp_path / "a.tflite", rounding=Rounding(clips=True)).lost == ()


def test_blocks_of_scales_are_read(tmp_path: Path) -> None:
    import torch
    from torch import nn

    from convert.float_model import export

    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(64, 24)

        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"y": self.linear(x)}

    torch.manual_seed(0)
    layer = Layer().eval()
    export(layer, {"x": torch.zeros(1, 64)}, tmp_path / "float.tflite")
    quantize(tmp_path / "float.tflite", recipe_of("int4-block32"), tmp_path / "blocks.tflite")
    assert find_weights(layer, tmp_path / "blocks.tflite").lost == ()
    with torch.no_grad():
        layer.linear.weight[3, 32:] *= 1.5
    assert find_weights(layer, tmp_path / "blocks.tflite").lost == ("linear.weight",)
