"""What a GAN training run is told: the published recipe, and one small enough for a demo."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from chunkport.errors import UsageError
from networks.gan import NOISE_DIM, WIDTH
from train.config_values import refuse_other_values

MAY_CHANGE = frozenset(
    {"epochs", "sample_every", "evaluate_every", "learning_rate", "discriminator_rate"}
)
"""What a run may be told anew when it is resumed."""
MIXED_PRECISIONS = ("no", "bf16")
_LATER = {"mixed_precision": "no", "evaluate_every": 1}
"""Settings that older checkpoints do not have, by what those were trained by."""


@dataclass(frozen=True)
class GanConfig:
    """All that decides the outcome of a run besides the images.

    The defaults are the published recipe: DCGAN's optimiser and starting weights
    (Radford et al. 2016), binary cross-entropy, two alternating steps.

    Attributes:
        learning_rate: the generator's; `discriminator_rate` is the discriminator's own.
        betas: Adam's decay rates of the first and second moment.
        real_label: what the discriminator is asked to answer to a real image; a little below 1
            keeps it from growing too sure (one-sided label smoothing, Salimans et al. 2016).
        average_decay: how slowly the generator's running average follows it (0 ships the
            generator as it is); averaging evens out the last steps (Yaz et al. 2019).
        mixed_precision: "bf16" computes convolutions in bfloat16, where the processor does that
            faster; weights, optimisers and losses stay float32. "no" does all in float32.
        evaluate_every: epochs between comparisons with the real pictures; there is one at the end.
    """

    epochs: int = 100
    batch_size: int = 64
    learning_rate: float = 2e-4
    discriminator_rate: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)
    noise_dim: int = NOISE_DIM
    width: int = WIDTH
    seed: int = 0
    real_label: float = 1.0
    average_decay: float = 0.999
    sample_every: int = 5
    mixed_precision: str = "no"
    evaluate_every: int = 1

    def __post_init__(self) -> None:
        for name in ("epochs", "noise_dim", "width", "sample_every", "evaluate_every"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name}: is {getattr(self, name)}; give at least 1")
        if self.batch_size < 2:  # noqa: PLR2004 - batch normalisation of one image is undefined
            raise UsageError(f"batch_size: is {self.batch_size}; give at least 2")
        for name in ("learning_rate", "discriminator_rate"):
            if not 0 < getattr(self, name) < math.inf:
                raise UsageError(f"{name}: is {getattr(self, name)}; give a finite number above 0")
        if self.seed < 0:
            raise UsageError(f"seed: is {self.seed}; give at least 0")
        if not 0 < self.real_label <= 1:
            raise UsageError(f"real_label: is {self.real_label}; give more than 0, up to 1")
        if not 0 <= self.average_decay < 1:
            raise UsageError(f"average_decay: is {self.average_decay}; give 0 up to below 1")
        if self.mixed_precision not in MIXED_PRECISIONS:
            known = " or ".join(MIXED_PRECISIONS)
            raise UsageError(f"mixed_precision: is {self.mixed_precision!r}; choose {known}")

    def as_dict(self) -> dict[str, Any]:
        """The config as plain values, as a checkpoint holds it."""
        return asdict(self) | {"betas": list(self.betas)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "GanConfig":
        """The config that `as_dict` gave.

        Raises:
            BadInputError: a value is missing or unknown.
        """
        whole = {**_LATER, **values}
        refuse_other_values(cls, whole)
        return cls(**{**whole, "betas": (whole["betas"][0], whole["betas"][1])})


@dataclass(frozen=True)
class Profile:
    """A run that is known to work: its config, the fruit to draw for it, the cap of its chunks."""

    about: str
    config: GanConfig
    classes: tuple[str, ...]
    images_per_class: int
    max_chunk_mb: float


PROFILES = {
    "standard": Profile(
        about="the published size and recipe, for a GPU",
        config=GanConfig(),
        classes=("Apple", "Banana", "Orange", "Pear", "Strawberry"),
        images_per_class=1000,
        max_chunk_mb=90,
    ),
    # A quarter of the width bears five times the learning rate, and needs it to be done in time;
    # ten times is too much: it broke one run of two. Two kinds of fruit come out whole in the
    # steps that there is time for, five do not.
    "demo": Profile(
        about="a quarter of the width, for two CPU cores and four minutes",
        config=GanConfig(
            epochs=14,
            batch_size=16,
            learning_rate=1e-3,
            discriminator_rate=1e-3,
            width=16,
            real_label=0.9,
            average_decay=0.99,
            sample_every=2,
        ),
        classes=("Apple", "Pear"),
        images_per_class=500,
        max_chunk_mb=6,
    ),
}
