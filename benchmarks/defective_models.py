"""Models that convert without a word and compute something else: each with one defect.

Every spec bears the name of the real model, so that its files are judged as that model's: against
the network as trained, which knows nothing of the defect.
"""

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from networks.convnext import Block
from networks.gan import Generator
from wrappers.detector_graph import DetectorForTflite, DetectorInterface
from wrappers.detector_specs import TINYSEAL
from wrappers.gan_generator import SPEC as GENERATOR
from wrappers.gan_generator import GeneratorForTflite, PlainGenerator
from wrappers.spec import Contract, ModelSpec, TensorSpec, at_most
from wrappers.subpixel import CroppedConvTranspose2d

_STALE = 0.02  # of a weight's RMS: about what an epoch moves it by, late in training


def _stale(weight: torch.Tensor) -> None:
    """The weight as it may have been an epoch before."""
    draw = torch.Generator().manual_seed(0)
    step = torch.randn(weight.shape, generator=draw)
    weight.data.add_(step * _STALE * weight.square().mean().sqrt())


def _left_out(norm: nn.BatchNorm2d) -> None:
    """The norm does nothing."""
    norm.reset_parameters()
    norm.reset_running_stats()


def _of_changed(
    build: Callable[[Any], nn.Module], change: Callable[[Any], object]
) -> Callable[[Any], nn.Module]:
    """The wrapper of a copy of the network that was changed."""

    def changed(network: nn.Module) -> nn.Module:
        clone = copy.deepcopy(network)
        with torch.no_grad():
            change(clone)
        return build(clone)

    return changed


def _generator(change: Callable[[Generator], object]) -> ModelSpec:
    return replace(GENERATOR, build_wrapper=_of_changed(GeneratorForTflite, change))


class _UnitRange(GeneratorForTflite):
    """A picture in [0, 1], where the contract says [-1, 1]."""

    def forward(self, latent: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"image": (super().forward(latent)["image"] + 1) / 2}


class _OneImage(GeneratorForTflite):
    """A generator that collapsed: all latents give very nearly one picture."""

    def forward(self, latent: torch.Tensor) -> dict[str, torch.Tensor]:
        return super().forward(latent.clamp(-1e-3, 1e-3))


class _TwoImages(GeneratorForTflite):
    """A generator that gives one picture for half of the latents."""

    def forward(self, latent: torch.Tensor) -> dict[str, torch.Tensor]:
        return super().forward(latent * (latent[:, :1] > 0).to(latent.dtype))


class _PaddedWithZeros(nn.Module):
    """A transposed convolution to twice the size whose last row and column are zeros."""

    def __init__(self, conv: nn.ConvTranspose2d) -> None:
        super().__init__()
        self.whole = CroppedConvTranspose2d(conv)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, C', 2H, 2W)."""
        return functional.pad(self.whole(x)[:, :, :-1, :-1], (0, 1, 0, 1))


def _padded_with_zeros(network: Generator) -> nn.Module:
    plain = PlainGenerator(network)
    assert isinstance(network.deconv4, nn.ConvTranspose2d)
    plain.up4 = _PaddedWithZeros(network.deconv4)  # the defect
    return plain


SWAPPED_CHANNELS = _generator(lambda it: it.deconv2.weight.copy_(it.deconv2.weight.roll(1, 0)))
UNIT_RANGE = replace(GENERATOR, build_wrapper=_UnitRange)
STALE_LAYER = _generator(lambda it: _stale(it.deconv2.weight))
NO_BATCH_NORM = _generator(lambda it: _left_out(it.bn2))
ZERO_PADDING = replace(GENERATOR, build_plain=_padded_with_zeros)
ONE_IMAGE = replace(GENERATOR, build_wrapper=_OneImage)
TWO_IMAGES = replace(GENERATOR, build_wrapper=_TwoImages)


def _faint(make_samples: Callable[..., Any]) -> Callable[..., Any]:
    """Samples of a twentieth of the strength: what ranges are measured on, when it is not real."""

    def make(contract: Contract, count: int, seed: int) -> Any:
        drawn = make_samples(contract, count, seed)
        return [{name: values / 20 for name, values in item.items()} for item in drawn]

    return make


FAINT_SAMPLES = replace(GENERATOR, make_samples=_faint(GENERATOR.make_samples))


class _BlueFirst(DetectorForTflite):
    """Takes the picture for BGR."""

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        return super().forward(image.flip(1))


class _NotNormalised(DetectorForTflite):
    """The network sees [0, 1], where it was trained on [-1, 1]."""

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        return super().forward((image + 1) / 2)


class _ShiftedBits(DetectorForTflite):
    """Every bit is given as the next one."""

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        preds = super().forward(image)["preds"]
        return {"preds": torch.cat((preds[:, :1], preds[:, 2:], preds[:, 1:2]), dim=1)}


def _detector(build: Callable[[Any, DetectorInterface], nn.Module]) -> ModelSpec:
    """TinySeal with another wrapper, its interface left as it is."""
    interface = DetectorInterface("nchw", 128, None, split_outputs=False)
    return replace(TINYSEAL, build_wrapper=lambda network: build(network, interface))


def _last_block(network: nn.Module) -> Block:
    return [child for child in network.modules() if isinstance(child, Block)][-1]


BLUE_FIRST = _detector(_BlueFirst)
NOT_NORMALISED = _detector(_NotNormalised)
SHIFTED_BITS = _detector(_ShiftedBits)
DETECTOR_STALE_LAYER = _detector(
    lambda network, interface: _of_changed(
        partial(DetectorForTflite, interface=interface),
        lambda it: _stale(_last_block(it).pwconv1.weight),
    )(network)
)


class Thumbnail(nn.Module):
    """A network that looks at every other pixel: its resize converts to something else."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """(1, 3, 32, 32) -> {"features": (1, 4, 16, 16)}."""
        return {"features": functional.interpolate(self.conv(image), size=(16, 16))}


def _answer(network: Thumbnail, inputs: Any) -> Any:
    with torch.inference_mode():
        return {"features": network(torch.from_numpy(inputs["image"]))["features"].numpy()}


def _thumbnail(path: Any) -> Thumbnail:
    network = Thumbnail()
    network.load_state_dict(torch.load(path, weights_only=True))
    return network.eval()


NEAREST_RESIZE = ModelSpec(
    name="benchmarks/defective_models.py:NEAREST_RESIZE",
    file_stem="thumbnail",
    summary="a convolution and a nearest resize to half",
    open_network=_thumbnail,
    build_wrapper=lambda network: network,
    build_plain=lambda network: network,
    contract=lambda _network: Contract(
        (TensorSpec("image", (1, 3, 32, 32), "nchw", "[0, 1]", "a picture"),),
        (TensorSpec("features", (1, 4, 16, 16), "nchw", "any", "features"),),
    ),
    make_samples=TINYSEAL.make_samples,
    reference=_answer,
    metrics=("max_difference_of_largest", "relative_l2"),
    output_span=(-float("inf"), float("inf")),
    limits={"fp32": (at_most("max_difference_of_largest", 1e-4), at_most("relative_l2", 1e-4))},
)
