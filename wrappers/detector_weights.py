"""The detector among all that a watermarking checkpoint holds. Needs no torch.

Published and trained checkpoints hold `{model, args, ...}`, `model` with the prefixes `detector.`,
`embedder.`, `rgb2yuv.` and `attenuation.`, and beside it optimizers, schedulers and discriminators.
Others hold the detector alone, with or without its prefix, under `model` or bare. Training that was
distributed or compiled puts `module.` or `_orig_mod.` before names, of the whole or of a part.
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
_WRAPPED = re.compile(r"(?<![^.])((module|_orig_mod)\.)+")
_PARTS = ("convnext.", "image_encoder.", "pixel_decoder.")  # a detector's own
_SHOWN = 8


@dataclass(frozen=True)
class DetectorWeights:
    """The detector of a checkpoint, on disk.

    Attributes:
        origin: the checkpoint, for messages.
        tensors: by their names in the network, without prefix.
        args: what the checkpoint says of its architecture, a mapping or YAML; None if nothing.
    """

    origin: Path
    tensors: Mapping[str, DiskTensor]
    args: Mapping[str, Any] | str | None

    def card(self, given: str | Path | None = None) -> DetectorCard:
        """The network that the tensors belong to: as `given`, or else by the checkpoint's args.

        Raises:
            UsageError: the given name is neither built in nor a file.
            BadInputError: the card is damaged, or the checkpoint says too little.
        """
        if given is not None:
            return load_card(given)
        if self.args is None:
            raise BadInputError(
                f"{self.origin}: does not say which detector it holds (it has no args); "
                "name the model, or give its card"
            )
        try:
            return load_card({"args": self.args})
        except BadInputError as error:
            raise BadInputError(
                f"{self.origin}, key args: {error}; or name the model, or give its card"
            ) from error


def find_detector(checkpoint: Checkpoint) -> DetectorWeights:
    """Find the detector in any of the forms above.

    Raises:
        BadInputError: there is none, or its names are ambiguous.
    """
    contents = checkpoint.contents
    model = contents.get("model", contents)
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
    tensors = {
        name.removeprefix(PREFIX): tensor
        for name, tensor in named.items()
        if name.startswith(PREFIX)
    }
    if not tensors and any(name.startswith(_PARTS) for name in named):
        tensors = named
    if not tensors:
        held = sorted({name.partition(".")[0] for name in named} or map(str, contents))
        more = f" and {len(held) - _SHOWN} more" if len(held) > _SHOWN else ""
        raise BadInputError(
            f"{checkpoint.path}: holds no watermark detector (no key begins with {PREFIX!r}); it "
            f"holds {', '.join(held[:_SHOWN]) or 'nothing'}{more}; give a checkpoint of the "
            "whole model or of its detector"
        )
    args = contents.get("args")
    return DetectorWeights(
        checkpoint.path, tensors, args if isinstance(args, Mapping | str) else None
    )
