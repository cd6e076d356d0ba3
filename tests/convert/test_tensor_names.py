"""What is read from a tensor's name, and how short it can be for that."""

from pathlib import Path

import pytest
import torch
from torch import nn

from convert.float_model import export
from convert.tensor_names import module_path, short_name, shorten_names
from convert.tflite import read_flatbuffer


@pytest.mark.parametrize(
    ("name", "path", "short"),
    [
        (
            "pkg.Net/pkg.inner.Block_9/torch.nn.Linear_pwconv2;1",
            ("9", "pwconv2"),
            "Net/Block_9/Linear_pwconv2",
        ),
        ("pkg.Net/torch.nn.Linear_two_words;;pkg.Net;", ("two_words",), "Net/Linear_two_words"),
        ("pkg.Net/pkg._Private_layer;", ("layer",), "Net/_Private_layer"),
        ("pkg.Net/pkg.small_layer;2", ("layer",), "Net/pkg.small_layer"),
        ("pkg.Net;4", (), "Net"),
        ("arith.constant12", None, None),
        ("serving_default_image", None, None),
        ("model/conv2d/Conv2D", None, None),
        ("StatefulPartitionedCall:0", None, None),
    ],
)
def test_a_short_name_leads_to_the_same_module(
    name: str, path: tuple[str, ...] | None, short: str | None
) -> None:
    assert module_path(name) == path
    assert short_name(name) == short
    if short is not None:
        assert module_path(short) == path
        assert short_name(short) == short


class _Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(*(nn.Sequential(nn.Linear(4, 4), nn.GELU()) for _ in range(3)))

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"scores": self.body(image) + image.abs().mean()}


@pytest.mark.integration
def test_names_of_a_file_stay_unique_and_lead_where_they_led(tmp_path: Path) -> None:
    export(_Network().eval(), {"image": torch.ones(1, 4)}, tmp_path / "a.tflite")
    model = read_flatbuffer(tmp_path / "a.tflite")
    (graph,) = model.subgraphs
    long = [tensor.name.decode() for tensor in graph.tensors]
    shorten_names(model)
    short = [tensor.name.decode() for tensor in graph.tensors]
    assert len(set(short)) == len(short)
    assert [*map(module_path, short)] == [*map(module_path, long)]
    assert sum(map(len, short)) < 0.7 * sum(map(len, long))
    ends = [*graph.inputs, *graph.outputs]
    assert [short[index] for index in ends] == [long[index] for index in ends]
    assert {("body", "0", "0"), ("body", "2", "0")} <= {*map(module_path, short)}
