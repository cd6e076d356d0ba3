"""What reads messages in pictures: a detector in PyTorch, or in a .tflite, each by its own card."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from checkpoints.lazy import open_checkpoint
from chunkport.errors import BadInputError
from convert.card import Card
from verify.attacks import Pixels
from verify.runtimes.litert import LiteRtSession
from verify.subject import identify
from wrappers.detector_graph import DetectorInterface
from wrappers.detector_intake import build_from
from wrappers.detector_pictures import fit_pixels
from wrappers.detector_specs import network_logits, read_message
from wrappers.detector_weights import find_detector
from wrappers.registry import find_spec
from wrappers.spec import Contract, Message

if TYPE_CHECKING:
    from wrappers.spec import Arrays

TFLITE = ".tflite"


@dataclass(frozen=True)
class Reader:
    """Something that reads the message in an RGB picture of any size.

    Attributes:
        name: what to call it.
        nbits: of the messages.
        read: a picture (H, W, 3) of bytes to what it says.
        card: of its file; None for a network in PyTorch.
    """

    name: str
    nbits: int
    read: Callable[[Pixels], Message]
    card: Card | None = None


def network_reader(checkpoint: Path, card: str | Path | None = None) -> Reader:
    """The detector of a checkpoint as trained, in PyTorch.

    Args:
        checkpoint: the whole model or the detector alone.
        card: a built-in name or a card file; None goes by what the checkpoint says of itself.

    Raises:
        UsageError: there is no such card.
        BadInputError: no checkpoint, damaged, or it holds no detector that fits the card.
    """
    weights = find_detector(open_checkpoint(checkpoint))
    described = weights.card(card)
    network = build_from(weights, described)
    interface = DetectorInterface("nchw", described.image_size, None, split_outputs=False)
    contract = interface.contract(described.nbits)

    def read(pixels: Pixels) -> Message:
        return read_message(network_logits(interface, network, fit_pixels(contract, pixels)))

    return Reader("PyTorch", described.nbits, read)


def tflite_reader(path: Path, threads: int = 2) -> Reader:
    """The detector in a .tflite, its picture laid out and sized as the card inside it says.

    Raises:
        BadInputError: no .tflite, damaged, without a card, or of a model that reads no messages.
        UsageError: its card names a model that is not registered.
        MissingDependencyError: the runtime is not installed.
    """
    subject = identify(path)
    spec = find_spec(subject.model, subject.options)
    if subject.card is None or spec.read_message is None:
        raise BadInputError(
            f"{path}: is of model '{subject.model}', which reads no messages; name a watermark "
            "detector's file"
        )
    contract = Contract.from_json(subject.card.contract)
    try:
        session = LiteRtSession(path, threads)
    except (ValueError, RuntimeError) as error:
        raise BadInputError(
            f"{path}: the runtime refuses it ({error}); convert it again"
        ) from error
    reader = reader_of(path.name, contract, spec.read_message, session.run)
    return replace(reader, card=subject.card)


def reader_of(
    name: str,
    contract: Contract,
    say: "Callable[[Arrays], Message]",
    run: "Callable[[Arrays], Arrays]",
) -> Reader:
    """Whatever answers inputs as the contract says, as a reader."""

    def read(pixels: Pixels) -> Message:
        return say(run(fit_pixels(contract, pixels)))

    logits = sum(output.shape[-1] for output in contract.outputs)
    return Reader(name, logits - 1, read)


def open_reader(path: Path, card: str | Path | None = None, threads: int = 2) -> Reader:
    """The reader of either kind, by the file's ending.

    Raises:
        ChunkportError: as `network_reader` and `tflite_reader`.
    """
    if path.suffix == TFLITE:
        return tflite_reader(path, threads)
    return network_reader(path, card)
