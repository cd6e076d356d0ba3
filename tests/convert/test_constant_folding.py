"""Ops on constants give way to their results, and nothing that a file computes changes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from torch import nn

from convert.constant_folding import fold_constants
from convert.float_model import export
from convert.lint import lint
from convert.tflite import constants, op_counts, read_flatbuffer, write_flatbuffer

WIDE = 600  # squared, more than the 1 MiB from which the converter leaves a constant alone


class NormThenLinear(nn.Module):
    """What the converter leaves unfolded: a kernel to transpose, a norm before a Linear."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, WIDE, 16, 16)
        self.norm = nn.LayerNorm(WIDE)
        self.linear = nn.Linear(WIDE, WIDE)
        nn.init.normal_(self.norm.weight)
        nn.init.normal_(self.norm.bias)

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        y = self.conv(image).permute(0, 2, 3, 1)
        return {"out": self.linear(self.norm(y))}


def run(path: Path, image: NDArray[np.float32]) -> NDArray[np.float32]:
    out: NDArray[np.float32] = Interpreter(str(path)).get_signature_runner()(image=image)["out"]
    return out


@pytest.fixture(scope="module")
def unfolded(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, Path]:
    """The module, and its file as the converter's lightweight mode leaves it."""
    module = NormThenLinear()
    inputs = {"image": torch.zeros(1, 3, 32, 32)}
    path = tmp_path_factory.mktemp("unfolded") / "a.tflite"
    lint(module, inputs)
    export(module, inputs, path, frugal=True)
    return module, path


@pytest.mark.integration
def test_a_large_model_is_folded_to_the_same_function(
    unfolded: tuple[nn.Module, Path], tmp_path: Path
) -> None:
    module, path = unfolded
    model = read_flatbuffer(path)
    before = op_counts(model)
    assert before["TRANSPOSE"] > 0  # the kernel's
    assert before["FULLY_CONNECTED"] == 2  # one of them on constants

    folded = tmp_path / "folded.tflite"
    assert fold_constants(model) >= 3
    write_flatbuffer(model, folded)
    after = op_counts(read_flatbuffer(folded))
    assert after["FULLY_CONNECTED"] == 1
    assert after["MUL"] == before["MUL"] - 1
    assert after["TRANSPOSE"] < before["TRANSPOSE"]

    image = np.random.default_rng(0).random((1, 3, 32, 32), dtype=np.float32)
    expected = module(torch.from_numpy(image))["out"].detach().numpy()
    np.testing.assert_allclose(run(folded, image), expected, atol=2e-5)
    np.testing.assert_allclose(run(path, image), expected, atol=2e-5)


@pytest.mark.integration
def test_what_only_folded_ops_read_leaves_the_file(
    unfolded: tuple[nn.Module, Path], tmp_path: Path
) -> None:
    module, path = unfolded
    model = read_flatbuffer(path)
    fold_constants(model)
    write_flatbuffer(model, tmp_path / "folded.tflite")
    stored = [
        constant.values for constant in constants(read_flatbuffer(tmp_path / "folded.tflite"))
    ]
    assert isinstance(module, NormThenLinear)
    scaled = module.linear.weight.detach().numpy() * module.norm.weight.detach().numpy()
    kernel = module.conv.weight.detach().numpy().transpose(0, 2, 3, 1)
    for weight in (scaled, kernel):
        assert sum(np.array_equal(values, weight) for values in stored) == 1
    total = sum(values.nbytes for values in stored)
    assert total < 1.01 * (scaled.nbytes + kernel.nbytes) + 20 * 4 * WIDE


@pytest.mark.integration
def test_a_small_model_has_nothing_to_fold(generator_tflites: dict[str, Path]) -> None:
    for path in generator_tflites.values():
        model = read_flatbuffer(path)
        before: Any = op_counts(model)
        assert fold_constants(model) == 0
        assert op_counts(model) == before
