"""A small network of one's own, with its spec in a file, and files that are wrong on purpose."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from convert.tflite import op_kind, read_flatbuffer, write_flatbuffer
from wrappers.registry import find_spec

OWN_SPEC = '''
"""A network with a norm, a weight of its own, and a layer that is mended before conversion."""

import numpy as np
import torch
from torch import nn

from checkpoints import load_model_chunked
from wrappers.spec import Contract, ModelSpec, TensorSpec, at_most


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.enter = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.LayerNorm(8)
        self.gain = nn.Parameter(torch.ones(8))
        self.up = nn.ConvTranspose2d(8, 6, 5, stride=2, padding=2, output_padding=1)
        self.act = nn.ReLU()
        self.leave = nn.Conv2d(6, 3, 1)

    def forward(self, image):
        x = self.norm(self.enter(image).permute(0, 2, 3, 1)) * self.gain
        return self.leave(self.act(self.up(x.permute(0, 3, 1, 2))))


class Wrap(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, image):
        return {"out": self.net(image)}


def open_network(path):
    network = Net()
    network.load_state_dict(load_model_chunked(path))
    return network.eval()


def make_samples(contract, count, seed):
    rng = np.random.default_rng(seed)
    shape = contract.inputs[0].shape
    return [{"image": rng.standard_normal(shape, dtype=np.float32)} for _ in range(count)]


SPEC = ModelSpec(
    name="own",
    file_stem="own",
    summary="a network of one's own",
    open_network=open_network,
    build_wrapper=Wrap,
    build_plain=Wrap,
    contract=lambda _network: Contract(
        (TensorSpec("image", (1, 3, 8, 8), "nchw", "N(0, 1)", "noise"),),
        (TensorSpec("out", (1, 3, 16, 16), "nchw", "any", "noise"),),
    ),
    make_samples=make_samples,
    reference=lambda network, inputs: {
        "out": network(torch.from_numpy(inputs["image"])).detach().numpy()
    },
    metrics=("max_abs_difference",),
    output_span=(-np.inf, np.inf),
    limits={"fp32": (at_most("max_abs_difference", 1e-4),)},
)
'''
_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
Change = Callable[[Any, Any], None]


@dataclass(frozen=True)
class Own:
    """The spec as `--spec` takes it, and a checkpoint."""

    spec: str
    checkpoint: Path


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory) -> Own:
    """A network of one's own, every weight of it other than initial."""
    folder = tmp_path_factory.mktemp("own")
    place = folder / "own_model.py"
    place.write_text(OWN_SPEC, encoding="utf-8")
    find_spec(f"{place}:SPEC")  # its module is then among the loaded ones
    torch.manual_seed(0)
    network = sys.modules["_chunkport_spec_own_model"].Net()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    torch.save(network.state_dict(), folder / "own.pth")
    return Own(f"{place}:SPEC", folder / "own.pth")


@pytest.fixture
def changed(tmp_path: Path) -> Callable[[Path, int, Change], Path]:
    """`(path, number, change)`: a copy, `change(model, weight tensor)` done to its n-th layer.

    Layers are the ops whose kinds carry weights, in the order of execution.
    """

    def change_one(path: Path, number: int, change: Change) -> Path:
        model = read_flatbuffer(path)
        graph = model.subgraphs[0]
        layers = [op for op in graph.operators if op_kind(model, op) in _WEIGHTED]
        change(model, graph.tensors[layers[number].inputs[1]])
        target = tmp_path / f"changed_{path.name}"
        write_flatbuffer(model, target)
        return target

    return change_one
