"""What a watermark training run is told: the pair that this project ships, and one for a demo."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from chunkport.errors import BadInputError, UsageError
from networks.cards import load_card
from networks.embedder_card import MODEL, embedder_card
from train.config_values import refuse_other_values

MAY_CHANGE = frozenset({"epochs", "sample_every", "learning_rate"})
"""What a run may be told anew when it is resumed."""
_EXTRACTOR = "convnext_small"


@dataclass(frozen=True)
class WatermarkConfig:
    """All that decides the outcome of a run besides the pictures.

    Attributes:
        nbits: of the message.
        image_size: pixels a side that both networks look at.
        psnr_db: of every marked picture; see `networks.embedder`.
        channels: of the embedder's features; `depth` is how many blocks it has, and `tile` how
            many features a side repeat over the picture.
        depths: of the detector's four stages, and `dims` their channels.
        learning_rate: AdamW's, reached after `warm_up_steps`, and falling to nothing over the last
            `decay_share` of the epochs (Haegele et al. 2024).
        first_psnr_db: marks begin this strong, and fade to `psnr_db` over `fading_steps`: neither
            network learns from a mark that the other cannot see.
        hardening_steps: over which the part of each distortion's range that is drawn from grows
            from its beginning to all of it; see `train.distortions`.
        groups: of a batch, each distorted in its own way.
        clean_share: of the pictures that the detector sees without a mark.
    """

    epochs: int = 40
    batch_size: int = 24
    learning_rate: float = 1e-3
    nbits: int = 32
    image_size: int = 128
    psnr_db: float = 38.2
    channels: int = 48
    depth: int = 2
    tile: int = 8
    depths: tuple[int, ...] = (1, 1, 3, 1)
    dims: tuple[int, ...] = (24, 48, 96, 192)
    seed: int = 0
    sample_every: int = 5
    warm_up_steps: int = 50
    decay_share: float = 0.4
    first_psnr_db: float = 12.0
    fading_steps: int = 1800
    hardening_steps: int = 1000
    groups: int = 6
    clean_share: float = 0.125

    def __post_init__(self) -> None:
        for name, least in (
            ("epochs", 1), ("sample_every", 1), ("batch_size", 2), ("groups", 1), ("seed", 0),
            ("warm_up_steps", 0), ("fading_steps", 0), ("hardening_steps", 0),
        ):  # fmt: skip
            if getattr(self, name) < least:
                raise UsageError(f"{name}: is {getattr(self, name)}; give at least {least}")
        if not 0 < self.learning_rate < math.inf:
            raise UsageError(
                f"learning_rate: is {self.learning_rate}; give a finite number above 0"
            )
        if not math.isfinite(self.first_psnr_db):
            raise UsageError(f"first_psnr_db: is {self.first_psnr_db}; give a number of decibels")
        for name in ("decay_share", "clean_share"):
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(f"{name}: is {getattr(self, name)}; give 0 up to below 1")
        card = self.card("config")
        try:
            load_card(card)
            embedder_card(card, "config")
        except BadInputError as error:
            raise UsageError(str(error)) from error

    @property
    def drawn_size(self) -> int:
        """Pixels a side of the pictures to train on: some more, for views to be cut from."""
        return self.image_size * 5 // 4

    def card(self, checkpoint_path: str) -> dict[str, Any]:
        """The pair's card, in the layout of the public models."""
        return {
            "checkpoint_path": checkpoint_path,
            "args": {"nbits": self.nbits, "img_size_proc": self.image_size},
            "embedder": {
                "model": MODEL,
                "params": {
                    "channels": self.channels,
                    "depth": self.depth,
                    "tile": self.tile,
                    "psnr_db": self.psnr_db,
                },
            },
            "extractor": {
                "model": _EXTRACTOR,
                "params": {
                    "encoder": {"depths": list(self.depths), "dims": list(self.dims)},
                    "pixel_decoder": {
                        "upscale_stages": [1],
                        "sigmoid_output": False,
                        "pixelwise": False,
                    },
                },
            },
        }

    def as_dict(self) -> dict[str, Any]:
        """The config as plain values, as a checkpoint holds it."""
        return asdict(self) | {"depths": list(self.depths), "dims": list(self.dims)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "WatermarkConfig":
        """The config that `as_dict` gave.

        Raises:
            BadInputError: a value is missing or unknown.
        """
        refuse_other_values(cls, values)
        tuples = {name: tuple(values[name]) for name in ("depths", "dims")}
        return cls(**{**values, **tuples})


@dataclass(frozen=True)
class Profile:
    """A run that is known to work: its config, the scenes to draw for it, the cap of its chunks."""

    about: str
    config: WatermarkConfig
    scenes: int
    max_chunk_mb: float


PROFILES = {
    "standard": Profile(
        about="32 bits that survive JPEG and resizing",
        config=WatermarkConfig(),
        scenes=2400,
        max_chunk_mb=2,
    ),
    "demo": Profile(
        about="16 bits, for two CPU cores and six minutes",
        config=WatermarkConfig(
            epochs=28,
            batch_size=16,
            nbits=16,
            psnr_db=36.5,
            channels=32,
            depth=1,
            dims=(16, 32, 64, 128),
            sample_every=2,
            fading_steps=400,
            hardening_steps=200,
            groups=4,
        ),
        scenes=800,
        max_chunk_mb=1,
    ),
}
