"""The rows that go into a layer are those which, times its weights, give what LiteRT gives."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from convert.float_model import export
from convert.quantization.layer_inputs import rows_of, values_at
from convert.tflite import op_kind, read_flatbuffer
from verify.runtimes.litert import LiteRtSession

pytestmark = pytest.mark.integration

_KINDS = ("CONV_2D", "FULLY_CONNECTED")


class _Two(nn.Module):
    """A layer, and behind an activation another one: the one to look at."""

    def __init__(self, second: nn.Module) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 5, 3)
        self.second = second

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        inner = nn.functional.leaky_relu(self.first(image.permute(0, 3, 1, 2)))
        if isinstance(self.second, nn.Conv2d):
            return {"out": self.second(inner).permute(0, 2, 3, 1)}
        return {"out": self.second(inner.permute(0, 2, 3, 1))}


@pytest.mark.parametrize(
    "second",
    [
        nn.Conv2d(5, 4, 3),
        nn.Conv2d(5, 4, 3, padding=1),
        nn.Conv2d(5, 4, (3, 2), stride=2),
        nn.Conv2d(5, 4, 3, dilation=2, padding=2),
        nn.Linear(5, 4),
    ],
    ids=["valid", "same", "strides", "dilated", "fully connected"],
)
def test_rows_times_weights_are_what_comes_out(tmp_path: Path, second: nn.Module) -> None:
    torch.manual_seed(0)
    path, image = tmp_path / "two.tflite", torch.randn(1, 12, 13, 3)
    export(_Two(second).eval(), {"image": image}, path)
    sample = {"image": image.numpy()}
    model = read_flatbuffer(path)
    op = _layers(model)[-1]
    weight, bias = (_floats(model, int(index)) for index in op.inputs[1:3])
    (values,) = values_at(model, int(op.inputs[0]), [sample], tmp_path / "cut.tflite")
    rows = rows_of(op, op_kind(model, op), values, weight.shape)
    given = LiteRtSession(path, 1).run(sample)["out"]
    computed = rows @ weight.reshape(len(weight), -1).T + bias
    np.testing.assert_allclose(computed.reshape(given.shape), given, rtol=0, atol=1e-5)
    assert [file.name for file in tmp_path.iterdir()] == ["two.tflite"]


def test_the_tree_is_left_as_it_was_and_inputs_need_no_run(tmp_path: Path) -> None:
    path, image = tmp_path / "two.tflite", torch.randn(1, 12, 13, 3)
    export(_Two(nn.Conv2d(5, 4, 3)).eval(), {"image": image}, path)
    model = read_flatbuffer(path)
    ops, outputs = list(model.subgraphs[0].operators), list(model.subgraphs[0].outputs)
    last = _layers(model)[-1]
    samples = [{"image": image.numpy()}, {"image": 2 * image.numpy()}]
    assert len(list(values_at(model, int(last.inputs[0]), samples, tmp_path / "cut"))) == 2
    assert list(model.subgraphs[0].operators) == ops
    assert list(model.subgraphs[0].outputs) == outputs
    assert model.signatureDefs
    entry = model.signatureDefs[0].inputs[0].tensorIndex
    for sample, values in zip(
        samples, values_at(model, entry, samples, tmp_path / "cut"), strict=True
    ):
        assert values is sample["image"]


def _layers(model: Any) -> list[Any]:
    return [op for op in model.subgraphs[0].operators if op_kind(model, op) in _KINDS]


def _floats(model: Any, index: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    tensor = model.subgraphs[0].tensors[index]
    return np.array(model.buffers[tensor.buffer].data).view(np.float32).reshape(tensor.shape)
