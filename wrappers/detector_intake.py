"""From a checkpoint of any size to a watermark detector or embedder, its weights left on disk."""

from pathlib import Path

import torch

from checkpoints.lazy import open_checkpoint
from checkpoints.mapping import map_tensor
from checkpoints.streaming import TensorStream
from networks.cards import DetectorCard
from networks.detector import Detector, build_detector
from networks.embedder import Embedder
from networks.embedder_card import embedder_card
from wrappers.detector_weights import PartWeights, find_detector, find_embedder
from wrappers.intake import Network, check_layout, load_strictly


def load_detector_network(path: Path | str, card: str | Path | None = None) -> Detector:
    """The detector of the checkpoint at `path`, in eval mode, with gradients off.

    Args:
        path: a .pth or .safetensors, in chunks or not, or the folder or index of several; the whole
            model or the detector alone.
        card: a built-in name or a card file; None goes by what the checkpoint says of itself.

    Its weights are the file's own memory where they lie in one piece (`map_tensor`), so it takes
    little more memory than the tensors that are split over chunks, and nothing is copied.

    Raises:
        UsageError: there is no such card.
        BadInputError: no checkpoint, none of a detector, damaged, or not of the card's detector:
            the keys that are missing and unexpected are listed.
    """
    weights = find_detector(open_checkpoint(path))
    return build_from(weights, weights.card(card))


def build_from(weights: PartWeights, card: DetectorCard) -> Detector:
    """The network that `card` describes, with exactly these weights.

    Raises:
        BadInputError: as `load_detector_network`.
    """
    with torch.device("meta"):
        network = build_detector(card)
    return _loaded(network, weights)


def load_embedder_network(path: Path | str) -> Embedder:
    """The embedder of the checkpoint at `path`, in eval mode, with gradients off.

    Raises:
        BadInputError: no checkpoint, none of an embedder, damaged, or of one that is not known.
    """
    weights = find_embedder(open_checkpoint(path))
    card = embedder_card(weights.described, str(weights.origin))
    with torch.device("meta"):
        network = Embedder(card)
    return _loaded(network, weights)


def _loaded(network: Network, weights: PartWeights) -> Network:
    """The network with exactly these weights, the file's own memory where they lie in one piece."""
    origin = str(weights.origin)
    shapes = {name: tensor.shape for name, tensor in weights.tensors.items()}
    check_layout(network, shapes, origin)  # before anything is read
    stream = TensorStream()
    state = {name: map_tensor(tensor, stream) for name, tensor in weights.tensors.items()}
    return load_strictly(network, state, origin, assign=True)
