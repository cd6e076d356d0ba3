"""Every weight is looked for bit for bit, and the converter's known fault does not get past."""

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from checkpoints import load_model_chunked
from chunkport.errors import ConversionError
from convert.audit import audit_weights
from convert.float_model import export
from convert.lint import lint
from wrappers.gan_generator import GeneratorForTflite, load_network

WriteTflite = Callable[[Path, Mapping[str, NDArray[Any]]], Path]


@pytest.fixture
def module() -> nn.Module:
    """Two layers of which no two tensors are alike."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(2, 3, (4, 5)), nn.BatchNorm2d(3)).eval()
    state = {
        name: torch.rand_like(tensor) if tensor.is_floating_point() else tensor
        for name, tensor in module.state_dict().items()
    }
    module.load_state_dict(state)
    return module


@pytest.fixture
def stored(module: nn.Module) -> dict[str, NDArray[Any]]:
    """The constants of a faithful file."""
    return {
        name: tensor.detach().numpy().copy()
        for name, tensor in module.state_dict().items()
        if tensor.is_floating_point()
    }


def test_a_faithful_file_passes_and_is_counted(
    module: nn.Module, stored: dict[str, NDArray[Any]], tmp_path: Path, write_tflite: WriteTflite
) -> None:
    audit = audit_weights(module, write_tflite(tmp_path / "a.tflite", stored))
    assert audit.tensors == 6
    assert audit.weight_bytes == 4 * (3 * 2 * 4 * 5 + 5 * 3)


def test_a_weight_may_lie_in_any_order_of_its_axes(
    module: nn.Module, stored: dict[str, NDArray[Any]], tmp_path: Path, write_tflite: WriteTflite
) -> None:
    weight = stored["0.weight"]
    for order in itertools.permutations(range(4)):
        stored["0.weight"] = weight.transpose(order)
        audit_weights(module, write_tflite(tmp_path / "a.tflite", stored))


def test_one_flipped_bit_is_found_and_its_weight_named(
    module: nn.Module, stored: dict[str, NDArray[Any]], tmp_path: Path, write_tflite: WriteTflite
) -> None:
    stored["0.weight"].view(np.uint32)[1, 1, 2, 3] ^= 1
    with pytest.raises(ConversionError, match=r"1 of 6 are not .* bit for bit: 0\.weight;"):
        audit_weights(module, write_tflite(tmp_path / "a.tflite", stored))


def test_values_of_another_type_do_not_count(
    module: nn.Module, stored: dict[str, NDArray[Any]], tmp_path: Path, write_tflite: WriteTflite
) -> None:
    stored["0.weight"] = stored["0.weight"].astype(np.float16)
    stored["1.running_var"] = stored["1.running_var"].view(np.int32)
    with pytest.raises(ConversionError, match=r"0\.weight, 1\.running_var"):
        audit_weights(module, write_tflite(tmp_path / "a.tflite", stored))


def test_only_a_bias_of_zeros_may_be_missing(
    module: nn.Module, stored: dict[str, NDArray[Any]], tmp_path: Path, write_tflite: WriteTflite
) -> None:
    whole = audit_weights(module, write_tflite(tmp_path / "whole.tflite", stored))
    bias = stored.pop("0.bias")
    left_out = write_tflite(tmp_path / "left_out.tflite", stored)
    with pytest.raises(ConversionError, match=r"1 of 6 are not in the \.tflite .*: 0\.bias;"):
        audit_weights(module, left_out)
    module.load_state_dict({**module.state_dict(), "0.bias": torch.zeros(3)})
    assert audit_weights(module, left_out).tensors == whole.tensors - 1
    assert audit_weights(module, left_out).weight_bytes == whole.weight_bytes - bias.nbytes
    module.load_state_dict({**module.state_dict(), "1.running_mean": torch.zeros(3)})
    with pytest.raises(ConversionError, match=r"1\.running_mean;"):
        audit_weights(module, left_out)


def test_many_lost_weights_are_counted_rather_than_all_named(
    tmp_path: Path, write_tflite: WriteTflite
) -> None:
    module = nn.Sequential(*(nn.Linear(2, 2) for _ in range(4)))
    with pytest.raises(ConversionError, match=r"8 of 8 .*: (\d\.\w+, ){4}\d\.\w+ and 3 more;"):
        audit_weights(module, write_tflite(tmp_path / "a.tflite", {}))


class EightConvolutions(nn.Module):
    """Weights of one shape, all strided: the converter takes each for the one before."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(*(nn.Conv2d(32, 32, 3, padding=1) for _ in range(8)))

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"out": self.layers(image)}


@pytest.mark.integration
def test_weights_that_the_converter_mixes_up_do_not_get_past(tmp_path: Path) -> None:
    inputs = {"image": torch.zeros(1, 32, 8, 8)}
    module = EightConvolutions().eval()
    for weight in module.parameters():
        if weight.dim() == 4:
            weight.data = weight.data.to(memory_format=torch.channels_last)
    export(module, inputs, tmp_path / "unlinted.tflite")
    with pytest.raises(ConversionError, match=r"wrote wrong weights.*layers\.\d\.weight"):
        audit_weights(module, tmp_path / "unlinted.tflite")

    assert len(lint(module, inputs)) == 8
    export(module, inputs, tmp_path / "linted.tflite")
    assert audit_weights(module, tmp_path / "linted.tflite").tensors == 16


@pytest.mark.integration
def test_a_flipped_bit_in_a_converted_file_is_found(
    generator_checkpoint: Path, generator_tflites: dict[str, Path], tmp_path: Path
) -> None:
    network = load_network(load_model_chunked(generator_checkpoint), "checkpoint")
    module = GeneratorForTflite(network)
    content = bytearray(generator_tflites["fp32"].read_bytes())
    copied = tmp_path / "copy.tflite"
    copied.write_bytes(content)
    assert audit_weights(module, copied).tensors == 34

    place = content.find(module.fc.weight.numpy().tobytes())
    assert place > 0
    content[place + 1000] ^= 1
    copied.write_bytes(content)
    with pytest.raises(ConversionError, match=r"1 of 34 .*: fc\.weight;"):
        audit_weights(module, copied)
