"""The detector, or the embedder, among all that a watermarking checkpoint holds. Needs no torch.

Published and trained checkpoints hold `{model, args, ...}`, `model` with the prefixes `detector.`,
`embedder.`, `rgb2yuv.` and `attenuation.`, and beside it optimizers, schedulers and discriminators.
Others hold the detector alone, with or without its prefix, under `model` or bare. Training that was
distributed or compiled puts `module.` or `_orig_mod.` before names, of the whole or of a part.
Checkpoints of train-watermark also hold the rest of their card, under `extractor` and `embedder`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from checkpoints.disk_tensor import DiskTensor
from checkpoints.lazy import Checkpoint
from chunkport.errors import BadInputError
from networks.cards import DetectorCard, load_card

PREFIX = "detector."
_EMBEDDER_PREFIX = "embedder."
_SECTIONS = ("extractor", "embedder")  # of a card, beside its args
_WRAPPED = re.compile(r"(?<![^.])((module|_orig_mod)\.)+")
_PARTS = ("convnext.", "image_encoder.", "pixel_decoder.")  # a detector's own
_SHOWN = 8


@dataclass(frozen=True)
class PartWeights:
    """The detector or the embedder of a checkpoint, on disk.

    Attributes:
        origin: the checkpoint, for messages.
        tensors: by their names in the network, without prefix.
        described: what the checkpoint says of its architecture: `args`, a mapping or YAML, and
            the sections `extractor` and `embedder` of its card, as far as they are there.
    """

    origin: Path
    tensors: Mapping[str, DiskTensor]
    described: Mapping[str, Any]

    def card(self, given: str | Path | None = None) -> DetectorCard:
        """The network that the tensors belong to: as `given`, or else by the checkpoint's args.

        Raises:
            UsageError: the given name is neither built in nor a file.
            BadInputError: the card is damaged, or the checkpoint says too little.
        """
        if given is not None:
            return load_card(given)
        if "args" not in self.described:
            raise BadInputError(
                f"{self.origin}: does not say which detector it holds (it has no args); "
                "name the model, or give its card"
            )
        try:
            return load_card(self.described)
        except BadInputError as error:
            raise BadInputError(
                f"{self.origin}, key args: {error}; or name the model, or give its card"
            ) from error


def find_detector(checkpoint: Checkpoint) -> PartWeights:
    """Find the detector in any of the forms above.

    Raises:
        BadInputError: there is none, or its names are ambiguous.
    """
    named = _named_tensors(checkpoint)
    tensors = _below(PREFIX, named)
    if not tensors and any(name.startswith(_PARTS) for name in named):
        tensors = named
    if not tensors:
        raise BadInputError(
            f"{checkpoint.path}: holds no watermark detector (no key begins with {PREFIX!r}); it "
            f"holds {_held(checkpoint, named)}; give a checkpoint of the whole model or of its "
            "detector"
        )
    return PartWeights(checkpoint.path, tensors, _described(checkpoint))


def holds_embedder(checkpoint: Checkpoint) -> bool:
    """Whether there is an embedder, of whichever kind.

    Raises:
        BadInputError: names are ambiguous.
    """
    return bool(_below(_EMBEDDER_PREFIX, _named_tensors(checkpoint)))


def find_embedder(checkpoint: Checkpoint) -> PartWeights:
    """Find the embedder.

    Raises:
        BadInputError: there is none, as in a checkpoint of the detector alone, or its names are
            ambiguous.
    """
    named = _named_tensors(checkpoint)
    tensors = _below(_EMBEDDER_PREFIX, named)
    if not tensors:
        raise BadInputError(
            f"{checkpoint.path}: holds no watermark embedder (no key begins with "
            f"{_EMBEDDER_PREFIX!r}); it holds {_held(checkpoint, named)}; give a checkpoint of "
            "train-watermark"
        )
    return PartWeights(checkpoint.path, tensors, _described(checkpoint))


def _named_tensors(checkpoint: Checkpoint) -> dict[str, DiskTensor]:
    """The tensors of the model by plain names.

    Raises:
        BadInputError: there is something else in the model's place, or one name twice.
    """
    model = checkpoint.contents.get("model", checkpoint.contents)
    if not isinstance(model, Mapping):
        raise BadInputError(
            f"{checkpoint.path}, key model: expected a state dict, found a "
            f"{type(model).__name__}; save the model's state_dict()"
        )
    named: dict[str, DiskTensor] = {}
    for path, tensor in Checkpoint(checkpoint.path, model).tensors().items():
        plain = _WRAPPED.sub("", path.replace("/", "."))
        if plain in named:
            raise BadInputError(f"{checkpoint.path}: holds {plain!r} twice; keep one of them")
        named[plain] = tensor
    return named


def _below(prefix: str, named: Mapping[str, DiskTensor]) -> dict[str, DiskTensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in named.items()
        if name.startswith(prefix)
    }


def _held(checkpoint: Checkpoint, named: Mapping[str, DiskTensor]) -> str:
    """What the checkpoint holds instead, for a message."""
    held = sorted({name.partition(".")[0] for name in named} or map(str, checkpoint.contents))
    more = f" and {len(held) - _SHOWN} more" if len(held) > _SHOWN else ""
    return f"{', '.join(held[:_SHOWN]) or 'nothing'}{more}"


def _described(checkpoint: Checkpoint) -> dict[str, Any]:
    """The sections of a card, and nothing else of the same name, such as a part's own tensors."""
    args = checkpoint.contents.get("args")
    described: dict[str, Any] = {"args": args} if isinstance(args, Mapping | str) else {}
    for key in _SECTIONS:
        section = checkpoint.contents.get(key)
        if isinstance(section, Mapping) and isinstance(section.get("model"), str):
            described[key] = section
    return described
