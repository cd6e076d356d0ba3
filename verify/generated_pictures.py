"""Pictures of a generator, by its checkpoint in PyTorch or by a .tflite, of the same latents."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from checkpoints.inference_folder import WEIGHTS
from chunkport.errors import BadInputError
from convert.card import read_card
from verify.message_readers import TFLITE
from verify.opening import open_session
from verify.picture_outputs import as_pictures, is_picture
from verify.subject import identify
from wrappers.registry import find_spec
from wrappers.spec import Contract

if TYPE_CHECKING:
    from torch import nn

    from wrappers.spec import Arrays

MODEL = "gan-generator"
_BATCH = 32
_LEVELS = 255
_SEEDS = 1 << 64  # that PyTorch takes

Drawn = Callable[[int], object]
"""Is called with how many pictures were drawn since the last call."""


def generate_pictures(
    source: Path, count: int, seed: int, on_drawn: Drawn = lambda _count: None, *, threads: int = 2
) -> NDArray[np.uint8]:
    """What the generator draws from `count` latents that the seed decides, (N, 1, 128, 128).

    The pixels go from 0 to 255, rounded; those of a picture are the same whatever the count.
    `source` is a checkpoint, an inference folder or a .tflite, which alone takes `threads`.

    Raises:
        BadInputError: it is damaged, or of another model than a generator of pictures.
        UsageError: the card of the .tflite names a model that is not registered.
        MissingDependencyError: the runtime is not installed.
    """
    if source.suffix == TFLITE:
        drawn = _by_file(source, count, seed, threads)
    else:
        drawn = _draw(_open(source), count, seed)
    parts = []
    for part in drawn:
        if not np.isfinite(part).all():
            raise BadInputError(
                f"{source}: draws values that are no numbers; train or convert anew"
            )
        parts.append(_levels(part))
        on_drawn(len(part))
    return np.concatenate(parts)


def untrained_pictures(checkpoint: Path, count: int, seed: int) -> NDArray[np.uint8]:
    """What the checkpoint's generator draws with fresh weights, which the seed decides too.

    Raises:
        BadInputError: as `generate_pictures`.
    """
    with torch.random.fork_rng(devices=[]):
        network = _open(checkpoint)
        torch.manual_seed(seed % _SEEDS)
        for part in network.modules():
            reset = getattr(part, "reset_parameters", None)
            if reset is not None:
                reset()
    return np.concatenate([_levels(part) for part in _draw(network, count, seed)])


def _open(checkpoint: Path) -> "nn.Module":
    weights = checkpoint / WEIGHTS
    return find_spec(MODEL).open_network(weights if weights.exists() else checkpoint)


def _draw(network: "nn.Module", count: int, seed: int) -> Iterator[NDArray[np.float32]]:
    spec = find_spec(MODEL)
    contract = spec.contract(network)
    batches = -(-count // _BATCH)
    latents = spec.make_samples(contract, batches * _BATCH, seed)
    for first in range(0, count, _BATCH):  # all of one size, as the last bits depend on it
        batch = _together(latents[first : first + _BATCH])
        drawn = _in_unit_range(spec.reference(network, batch), contract, spec.output_span)
        yield drawn[: count - first]


def _by_file(path: Path, count: int, seed: int, threads: int) -> Iterator[NDArray[np.float32]]:
    card = read_card(path)
    if card is None:
        raise BadInputError(
            f"{path}: has no chunkport card that says what it is; convert its checkpoint with "
            f"chunkport convert --model {MODEL}"
        )
    subject = identify(path)
    spec = find_spec(subject.model, subject.options)
    contract = Contract.from_json(card.contract)
    if subject.model != MODEL or not is_picture(contract.outputs[0]):
        raise BadInputError(
            f"{path}: is of model '{subject.model}', which draws no pictures; name a file of "
            f"'{MODEL}'"
        )
    latents = spec.make_samples(contract, count, seed)
    try:
        session = open_session(subject, threads, latents[0])
    except (ValueError, RuntimeError) as error:
        raise BadInputError(
            f"{path}: the runtime refuses it ({error}); convert it again"
        ) from error
    for latent in latents:
        yield _in_unit_range(session.run(latent), contract, spec.output_span)


def _together(inputs: "list[Arrays]") -> "Arrays":
    return {name: np.concatenate([item[name] for item in inputs]) for name in inputs[0]}


def _in_unit_range(
    outputs: "Arrays", contract: Contract, span: tuple[float, float]
) -> NDArray[np.float32]:
    pictures = np.moveaxis(as_pictures([outputs], contract.outputs[0]), -1, 1)
    lowest, highest = span
    return np.asarray((pictures - lowest) / (highest - lowest), np.float32)


def _levels(pictures: NDArray[np.float32]) -> NDArray[np.uint8]:
    levels: NDArray[np.uint8] = np.rint(pictures * _LEVELS).clip(0, _LEVELS).astype(np.uint8)
    return levels
