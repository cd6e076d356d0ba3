"""The watermark detectors: ChunkySeal, PixelSeal, VideoSeal 1.0 and 0.0, and our own TinySeal."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from checkpoints.lazy import open_checkpoint
from chunkport.errors import BadInputError, UsageError
from networks.cards import ConvNextEncoder, DetectorCard, load_card
from networks.detector import Detector
from wrappers.detector_graph import (
    DetectorForTflite,
    DetectorInterface,
    PlainDetector,
    resize_as_public,
)
from wrappers.detector_intake import build_from
from wrappers.detector_pictures import make_pictures, read_pictures
from wrappers.detector_weights import find_detector
from wrappers.spec import BuildOptions, Contract, Message, ModelSpec, at_most

if TYPE_CHECKING:
    from wrappers.spec import Arrays

_SMALLEST_FEATURES = 2  # a side: the head reflects at the borders
_LIMITS = {
    "fp32": (
        at_most("max_difference_of_largest", 1e-4),
        at_most("relative_l2", 1e-4),
        at_most("surest_bit_flipped", 0.001),
        at_most("marked_bits_flipped", 0.001),
        at_most("accuracy_loss", 0.003),
    ),
    "fp16": (
        at_most("max_difference_of_largest", 0.01),
        at_most("relative_l2", 0.005),
        at_most("surest_bit_flipped", 0.03),
        at_most("marked_bits_flipped", 0.005),
        at_most("accuracy_loss", 0.006),
    ),
    "int8-dynamic": (
        at_most("max_difference_of_largest", 0.05),
        at_most("relative_l2", 0.06),
        at_most("surest_bit_flipped", 0.25),
        at_most("marked_bits_flipped", 0.03),
        at_most("accuracy_loss", 0.015),
    ),
}


def detector_spec(name: str, title: str, options: BuildOptions | None = None) -> ModelSpec:
    """The spec of a detector by its built-in card or by another, built with the options.

    Raises:
        BadInputError: the card in the options describes no network that is known here.
        UsageError: the network cannot be built so.
    """
    options = options or BuildOptions()
    card = load_card(options.model_card or name)
    interface = DetectorInterface(
        layout=options.layout or "nchw",
        image_size=_image_size(name, card, options.image_size),
        source_size=options.source_size,
        split_outputs=options.split_outputs,
        target=options.target,
    )
    return ModelSpec(
        name=name,
        file_stem=_file_stem(name, interface),
        summary=f"{title} watermark detector, {card.nbits} bits",
        open_network=partial(open_network, card=card, asked_for=options.model_card is not None),
        build_wrapper=partial(DetectorForTflite, interface=interface),
        build_plain=partial(PlainDetector, interface=interface),
        contract=partial(_contract, interface),
        make_samples=make_pictures,
        reference=partial(network_logits, interface),
        metrics=(
            "max_difference_of_largest",
            "relative_l2",
            "bits_flipped",
            "surest_bit_flipped",
            "smallest_margin",
        ),
        output_span=(-np.inf, np.inf),
        limits=_LIMITS,
        configure=partial(detector_spec, name, title),
        read_pictures=read_pictures,
        read_message=read_message,
        trials=("watermark",),
    )


def open_network(path: Path, card: DetectorCard, *, asked_for: bool = True) -> Detector:
    """The detector in a checkpoint file, in chunks or not.

    A card that was not `asked_for` must be what the checkpoint says of itself, where it has a card
    of its own: weights may fit a network that they were not trained as.

    Raises:
        BadInputError: the file is damaged, or holds no detector that fits the card.
    """
    weights = find_detector(open_checkpoint(path))
    if not asked_for and "extractor" in weights.described:
        own = weights.card()
        if (own.nbits, own.image_size, own.encoder) != (card.nbits, card.image_size, card.encoder):
            raise BadInputError(
                f"{path}: says that it holds a detector of {own.nbits} bits for {own.image_size} "
                f"pixels a side, which is not that of {card.source} ({card.nbits} bits, "
                f"{card.image_size} pixels); give its own card with --card, such as the "
                "config.json of its inference folder"
            )
    return build_from(weights, card)


def read_message(outputs: "Arrays") -> Message:
    """What the logits of one picture say, whole or split."""
    if "preds" in outputs:
        detection, message = outputs["preds"][0, :1], outputs["preds"][0, 1:]
    else:
        detection, message = outputs["detection"][0], outputs["message"][0]
    return Message(float(detection[0]), tuple(int(logit > 0) for logit in message))


def _image_size(name: str, card: DetectorCard, wanted: int | None) -> int:
    """The size that the network is built for.

    A ConvNeXt takes pictures of any size that leaves the head something to reflect; a transformer
    has learned positions and takes one.
    """
    if wanted is None or wanted == card.image_size:
        return card.image_size
    if not isinstance(card.encoder, ConvNextEncoder):
        raise UsageError(
            f"model '{name}' has learned positions for {card.image_size} pixels a side, not for "
            f"{wanted}; leave out --image-size, or resize inside with --source-size HxW"
        )
    if card.encoder.feature_size(wanted) < _SMALLEST_FEATURES:
        raise UsageError(f"model '{name}' sees nothing in {wanted} pixels a side; ask for more")
    return wanted


def _file_stem(name: str, interface: DetectorInterface) -> str:
    parts = [name, "detector", str(interface.image_size)]
    if interface.source_size:
        parts.append("from_{}x{}".format(*interface.source_size))
    if interface.layout == "nhwc":
        parts.append("nhwc")
    if interface.split_outputs:
        parts.append("split")
    if interface.target:
        parts.append(interface.target)
    return "_".join(parts)


def _contract(interface: DetectorInterface, network: Detector) -> Contract:
    return interface.contract(nbits=network.pixel_decoder.linear.out_features - 1)


def network_logits(interface: DetectorInterface, network: Detector, inputs: "Arrays") -> "Arrays":
    """The network's own logits for a picture that the public resize has fitted."""
    image = torch.from_numpy(np.asarray(inputs["image"]))
    if interface.layout == "nhwc":
        image = image.permute(0, 3, 1, 2)
    with torch.inference_mode():
        logits = network(resize_as_public(image, (interface.image_size,) * 2))
    return {name: value.numpy() for name, value in interface.named(logits).items()}


CHUNKYSEAL = detector_spec("chunkyseal", "ChunkySeal")
PIXELSEAL = detector_spec("pixelseal", "PixelSeal")
TINYSEAL = detector_spec("tinyseal", "TinySeal")
VIDEOSEAL_1_0 = detector_spec("videoseal-1.0", "VideoSeal 1.0")
VIDEOSEAL_0_0 = detector_spec("videoseal-0.0", "VideoSeal 0.0")
