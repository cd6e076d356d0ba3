"""What a training run of the fruit classifier is told."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from chunkport.errors import UsageError
from networks.fruit_classifier import WIDTH
from train.config_values import refuse_other_values

MAY_CHANGE = frozenset({"epochs", "sample_every"})
"""What a run may be told anew when it is resumed."""


@dataclass(frozen=True)
class ClassifierConfig:
    """All that decides the outcome of a run besides the images.

    Attributes:
        classes: what it tells apart, in the order of its logits.
        learning_rate: AdamW's, falling to nothing over the epochs along a quarter of a cosine.
        groups: of a batch, each distorted in its own way; see `train.distortions`.
    """

    classes: tuple[str, ...]
    epochs: int = 24
    batch_size: int = 64
    learning_rate: float = 2e-3
    width: int = WIDTH
    seed: int = 0
    sample_every: int = 5
    groups: int = 8

    def __post_init__(self) -> None:
        if len(self.classes) < 2:  # noqa: PLR2004 - one class needs no telling apart
            found = ", ".join(self.classes) or "none"
            raise UsageError(f"classes: {found}; give pictures of at least 2, a subfolder for each")
        for name, least in (
            ("epochs", 1), ("batch_size", 2), ("width", 1), ("seed", 0), ("sample_every", 1),
            ("groups", 1),
        ):  # fmt: skip
            if getattr(self, name) < least:
                raise UsageError(f"{name}: is {getattr(self, name)}; give at least {least}")
        if not 0 < self.learning_rate < math.inf:
            raise UsageError(
                f"learning_rate: is {self.learning_rate}; give a finite number above 0"
            )

    def as_dict(self) -> dict[str, Any]:
        """The config as plain values, as a checkpoint holds it."""
        return asdict(self) | {"classes": list(self.classes)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ClassifierConfig":
        """The config that `as_dict` gave.

        Raises:
            BadInputError: a value is missing or unknown.
        """
        refuse_other_values(cls, values)
        return cls(**{**values, "classes": tuple(values["classes"])})
