"""The card of a watermark embedder: the section `embedder` of a card in the public layout."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chunkport.errors import BadInputError
from networks.card_reading import Section
from networks.cards import mapping_of_args

MODEL = "tile"
PATCH = 4  # pixels a side of the picture that one feature stands for
GRAIN = 2  # pixels a side of the finest detail of a mark
_KNOWN = ("channels", "depth", "tile", "psnr_db")


@dataclass(frozen=True)
class EmbedderCard:
    """What to build for an embedder's tensors.

    Attributes:
        nbits: of the message.
        image_size: pixels a side of the square picture that the network looks at.
        channels: of its features.
        depth: how many blocks it has.
        tile: features a side of what repeats over the picture; each stands for 4 x 4 pixels.
        psnr_db: of every marked picture against its original, before clipping and rounding.
    """

    nbits: int
    image_size: int
    channels: int
    depth: int
    tile: int
    psnr_db: float

    @property
    def rms(self) -> float:
        """The mark's root mean square that gives the PSNR."""
        return rms_of(self.psnr_db)


def rms_of(psnr_db: float) -> float:
    """The root mean square of a difference of this PSNR, for pixels in [0, 1]."""
    return math.pow(10, -psnr_db / 20)


def embedder_card(raw: Mapping[str, Any], source: str) -> EmbedderCard:
    """The embedder that a card or a checkpoint describes; `source` is its name in messages.

    Raises:
        BadInputError: it describes none, or one of a kind that is not known here.
    """
    card = Section(source, mapping_of_args(raw, source))
    args = card.section("args")
    embedder = card.section("embedder")
    if (model := embedder.text("model")) != MODEL:
        raise BadInputError(
            f"{source}: key embedder.model: {model!r} is an embedder that is not known here, "
            f"only {MODEL!r} is; mark pictures with the software that it was published with"
        )
    params = embedder.section("params")
    params.check_known(_KNOWN)
    image_size = args.integer("img_size_proc", low=2 * PATCH)
    if image_size % PATCH:
        args.refuse("img_size_proc", f"a multiple of {PATCH}")
    return EmbedderCard(
        nbits=args.integer("nbits", low=1),
        image_size=image_size,
        channels=params.integer("channels", low=1),
        depth=params.integer("depth", low=1),
        tile=params.integer("tile", low=1),
        psnr_db=params.positive("psnr_db"),
    )
