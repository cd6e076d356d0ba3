"""Small models, each with one thing in it that a phone's GPU refuses or gets wrong."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from wrappers.spec import Contract, ModelSpec, TensorSpec, at_most

if TYPE_CHECKING:
    from pathlib import Path

    from wrappers.spec import Arrays

_SHAPE = (1, 256, 256, 4)
_SMALL = (1, 4, 16, 4)


class Clean(nn.Module):
    """Halves, which float16 does exactly but for one rounding."""

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"out": torch.tanh(image * 0.5)}


class Overflow(nn.Module):
    """Values beyond 65504, and back."""

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"out": torch.tanh(torch.relu(image * 90000) / 90000)}


class SumOfSquares(nn.Module):
    """An energy that float16 cannot hold, though each square fits."""

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"out": torch.sqrt((image * image).sum(dim=(1, 2)))}


class LongMean(nn.Module):
    """A mean of 65536 numbers near 8, whose sum is beyond 65504."""

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"out": (image + 8).mean(dim=(1, 2))}


class MeanInParts(nn.Module):
    """The same mean, row by row."""

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"out": (image + 8).mean(dim=2, keepdim=True).mean(dim=1)}


class FiveAxes(nn.Module):
    """A shuffle through five axes."""

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        x = (image * 2).reshape(1, 2, 2, 16, 4).transpose(1, 2)
        return {"out": torch.tanh(x).reshape(_SMALL)}


class Expand(nn.Module):
    """Tensor.expand, which becomes BROADCAST_TO."""

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"out": torch.tanh(image[:, :, :1]).expand(-1, -1, 16, -1)}


class Indexed(nn.Module):
    """Two tensors as indices, which become GATHER_ND."""

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"out": image[:, torch.tensor([0, 2, 1]), torch.tensor([5, 1, 7])] * 2}


class RowsOfConstants(nn.Module):
    """A constant matrix added to a matrix: the delegate of ai-edge-litert 2.3.0 misreads it."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("places", torch.arange(64.0).reshape(16, 4))

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"out": torch.tanh(image[0, 0]) + self.get_buffer("places")}


@dataclass(frozen=True)
class _Build:
    """The one network of a spec; there is no checkpoint to it."""

    module: type[nn.Module]

    def __call__(self, _path: "Path | nn.Module") -> nn.Module:
        return self.module().eval()


def spec(module: type[nn.Module], shape: tuple[int, ...] = _SMALL) -> ModelSpec:
    def contract(network: nn.Module) -> Contract:
        with torch.inference_mode():
            out = network(torch.zeros(shape))["out"]
        return Contract(
            (TensorSpec("image", shape, "nhwc", "[0, 1]", "numbers"),),
            (TensorSpec("out", tuple(out.shape), "features", "any", "numbers"),),
        )

    def reference(network: nn.Module, inputs: "Arrays") -> "Arrays":
        with torch.inference_mode():
            out = network(torch.from_numpy(np.asarray(inputs["image"])))["out"]
        return {"out": out.numpy()}

    return ModelSpec(
        name=f"planted-{module.__name__.lower()}",
        file_stem=module.__name__.lower(),
        summary="planted",
        open_network=_Build(module),
        build_wrapper=_Build(module),
        build_plain=_Build(module),
        contract=contract,
        make_samples=_samples,
        reference=reference,
        metrics=("relative_l2",),
        output_span=(-np.inf, np.inf),
        limits={
            "fp32": (at_most("relative_l2", 1e-5),),
            "fp16": (at_most("relative_l2", 0.01),),
        },
    )


def _samples(contract: Contract, count: int, seed: int) -> "list[Arrays]":
    """Numbers in [0, 1)."""
    rng = np.random.default_rng(seed)
    shape: Any = contract.inputs[0].shape
    return [{"image": rng.random(shape, dtype=np.float32) + 0.5} for _ in range(count)]


CLEAN = spec(Clean)
OVERFLOW = spec(Overflow)
SUM_OF_SQUARES = spec(SumOfSquares, _SHAPE)
LONG_MEAN = spec(LongMean, _SHAPE)
MEAN_IN_PARTS = spec(MeanInParts, _SHAPE)
FIVE_AXES = spec(FiveAxes)
EXPAND = spec(Expand)
INDEXED = spec(Indexed)
ROWS_OF_CONSTANTS = spec(RowsOfConstants)
