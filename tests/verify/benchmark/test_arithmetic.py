"""Multiplications and additions are counted exactly, as PyTorch counts them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from convert.float_model import export
from verify.benchmark.arithmetic import flop_per_op, network_flop
from wrappers.registry import find_spec

if TYPE_CHECKING:
    from tests.verify.conftest import HandMade


def zeros(*shape: int) -> Any:
    return np.zeros(shape, np.float32)


@pytest.mark.parametrize(
    ("op", "flop"),
    [
        # 8 x 8 x 5 values of 3 x 3 x 4 products each
        (("CONV_2D", [(1, 10, 10, 4), zeros(5, 3, 3, 4), zeros(5)], (1, 8, 8, 5)), 2 * 320 * 36),
        # in two groups, each value sees but half of the channels
        (("CONV_2D", [(1, 8, 8, 4), zeros(6, 1, 1, 2), zeros(6)], (1, 8, 8, 6)), 2 * 384 * 2),
        (
            ("DEPTHWISE_CONV_2D", [(1, 9, 9, 4), zeros(1, 7, 3, 4), zeros(4)], (1, 3, 7, 4)),
            2 * 84 * 21,
        ),
        (("FULLY_CONNECTED", [(3, 10), zeros(7, 10), zeros(7)], (3, 7)), 2 * 3 * 10 * 7),
        (("BATCH_MATMUL", [(2, 4, 6), (2, 6, 5)], (2, 4, 5)), 2 * 2 * 4 * 6 * 5),
        (("ADD", [(1, 100), (1, 100)], (1, 100)), 0),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_an_op_counts_as_its_shapes_have_it(
    tmp_path: Path,
    hand_made: "type[HandMade]",
    op: tuple[str, list[Any], tuple[int, ...]],
    flop: int,
) -> None:
    kind, inputs, output = op
    tensors = {f"in{place}": content for place, content in enumerate(inputs)} | {"out": output}
    model = hand_made(tensors, [(kind, [*tensors][:-1], "out")])
    assert flop_per_op(model.write(tmp_path / "a.tflite")) == [flop]


def test_a_transposed_convolution_counts_each_value_that_goes_in(
    tmp_path: Path, hand_made: "type[HandMade]"
) -> None:
    tensors = {
        "shape": np.array([1, 9, 9, 5], np.int32),
        "weights": zeros(5, 3, 3, 4),
        "x": (1, 4, 4, 4),
        "out": (1, 9, 9, 5),
    }
    model = hand_made(tensors, [("TRANSPOSE_CONV", ["shape", "weights", "x"], "out")])
    assert flop_per_op(model.write(tmp_path / "a.tflite")) == [2 * 16 * 4 * 45]


class _Every(nn.Module):
    """One product of each kind that the converter has an op for."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.depthwise = nn.Conv2d(8, 8, 5, padding=2, groups=8)
        self.transposed = nn.ConvTranspose2d(8, 6, 4, stride=2, padding=1)
        self.linear = nn.Linear(6, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.transposed(self.depthwise(self.conv(x)))
        y = self.linear(y.flatten(2).transpose(1, 2))
        out: torch.Tensor = y @ y.transpose(1, 2)
        return out


@pytest.mark.integration
def test_a_converted_file_counts_what_pytorch_counts(tmp_path: Path) -> None:
    module, x = _Every().eval(), torch.randn(1, 3, 16, 16)
    with FlopCounterMode(display=False) as counter:
        module(x)
    export(module, {"x": x}, tmp_path / "a.tflite")
    assert sum(flop_per_op(tmp_path / "a.tflite")) == counter.get_total_flops() > 0


@pytest.mark.integration
def test_a_rewritten_generator_multiplies_no_less_than_its_network(
    generator_tflites: dict[str, Path], generator_checkpoint: Path
) -> None:
    spec = find_spec("gan-generator")
    network = spec.open_network(generator_checkpoint)
    inputs = spec.make_samples(spec.contract(network), 1, 0)[0]
    wanted = network_flop(spec, network, inputs)
    found = {name: sum(flop_per_op(path)) for name, path in generator_tflites.items()}
    assert found["fp32"] == found["fp16"] == found["int8-dynamic"]
    # 25 taps for each value, as in the transposed convolutions that it stands for; but for the
    # last two of them, which go four pixels at a time and through zeros
    assert wanted <= found["fp32"] < 1.2 * wanted
