"""What stands around a detector in its .tflite: the picture's layout, its resize, the outputs."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch.nn import functional

from networks.detector import ConvNextDetector, Detector
from wrappers.convnext_detector import ConvNextForTflite
from wrappers.rewrite_pixels import AntialiasedResize
from wrappers.spec import Contract, Target, TensorSpec
from wrappers.vit_detector import VitForTflite


@dataclass(frozen=True)
class DetectorInterface:
    """The picture that goes in and the logits that come out.

    Attributes:
        layout: of the picture.
        image_size: pixels a side that the network sees.
        source_size: (height, width) of the picture; None where it comes in the network's size.
        split_outputs: `detection` and `message` in place of `preds`.
        target: what is to compute it, where that is no CPU.
    """

    layout: Literal["nchw", "nhwc"]
    image_size: int
    source_size: tuple[int, int] | None
    split_outputs: bool
    target: Target | None = None

    @property
    def picture_size(self) -> tuple[int, int]:
        """(height, width) of the picture that goes in."""
        return self.source_size or (self.image_size, self.image_size)

    def contract(self, nbits: int) -> Contract:
        """Inputs and outputs for a message of so many bits."""
        height, width = self.picture_size
        nhwc = self.layout == "nhwc"
        resized = f", resized inside to {self.image_size} x {self.image_size}"
        image = TensorSpec(
            name="image",
            shape=(1, height, width, 3) if nhwc else (1, 3, height, width),
            layout=self.layout,
            value_range="[0, 1]",
            meaning="RGB picture; byte value / 255" + (resized if self.source_size else ""),
        )
        if self.split_outputs:
            outputs: tuple[TensorSpec, ...] = (
                _logits("detection", 1, "how sure it is that there is a watermark"),
                _logits("message", nbits, "bit i is 1 where value i is above 0"),
            )
        else:
            meaning = "0: detection; bit i of the message is 1 where value 1 + i is above 0"
            outputs = (_logits("preds", 1 + nbits, meaning),)
        return Contract(inputs=(image,), outputs=outputs)

    def named(self, logits: torch.Tensor) -> dict[str, torch.Tensor]:
        """Logits (1, 1 + nbits) as the outputs."""
        if self.split_outputs:
            return {"detection": logits[:, :1], "message": logits[:, 1:]}
        return {"preds": logits}


def resize_as_public(image: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """(1, 3, H, W) -> (1, 3, *size) as the public detectors do it before they look."""
    if tuple(image.shape[2:]) == size:
        return image
    return functional.interpolate(image, size, mode="bilinear", align_corners=False, antialias=True)


class DetectorForTflite(nn.Module):
    """`image` as the interface has it to the outputs that it names.

    The module shares no parameter with the network, and reads but never writes the memory of
    those weights that it takes over as they are.
    """

    def __init__(self, network: Detector, interface: DetectorInterface) -> None:
        super().__init__()
        self.interface = interface
        self.resize = _resize(network, interface)
        if isinstance(network, ConvNextDetector):
            self.detector: nn.Module = ConvNextForTflite(network, target=interface.target)
        else:
            self.detector = VitForTflite(network, target=interface.target)

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """A picture in [0, 1] -> logits by name."""
        return self.interface.named(self.detector(_to_nhwc(image, self.interface, self.resize)))


class PlainDetector(nn.Module):
    """The network as trained, with the same inputs and outputs; for comparison."""

    def __init__(self, network: Detector, interface: DetectorInterface) -> None:
        super().__init__()
        self.interface, self.detector = interface, network
        self.resize = _resize(network, interface)  # the public one does not convert

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """A picture in [0, 1] -> logits by name."""
        if self.interface.layout == "nhwc" or self.resize is not None:
            image = _to_nhwc(image, self.interface, self.resize).permute(0, 3, 1, 2)
        return self.interface.named(self.detector(image))


def _to_nhwc(
    image: torch.Tensor, interface: DetectorInterface, resize: AntialiasedResize | None
) -> torch.Tensor:
    """A picture in either layout and any size -> (1, S, S, 3)."""
    if resize is not None:
        resized: torch.Tensor = resize(image)
        return resized
    return image if interface.layout == "nhwc" else image.permute(0, 2, 3, 1)


def _resize(network: Detector, interface: DetectorInterface) -> AntialiasedResize | None:
    size = interface.image_size
    if interface.source_size is None or interface.source_size == (size, size):
        return None
    height, width = interface.source_size
    resize = AntialiasedResize(height, width, size, channels_last=interface.layout == "nhwc")
    return resize.to(network.pixel_decoder.linear.weight.dtype)


def _logits(name: str, count: int, meaning: str) -> TensorSpec:
    return TensorSpec(name, (1, count), "features", "logits", meaning)
