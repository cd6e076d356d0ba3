"""What a GAN training run is told: the published recipe, and one small enough for a demo."""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from chunkport.errors import UsageError
from networks.gan import DROPOUT, INITIAL_STD, NOISE_DIM, UPSAMPLINGS, WIDTH
from train.augmentation import AUGMENTATIONS
from train.config_values import refuse_other_values
from train.gan_losses import LOSSES

MAY_CHANGE = frozenset(
    {"epochs", "sample_every", "evaluate_every", "learning_rate", "discriminator_rate"}
)
"""What a run may be told anew when it is resumed."""
MIXED_PRECISIONS = ("no", "bf16", "fp16")
_LATER = {
    "evaluate_every": 1,
    "mixed_precision": "no",
    "accumulate": 1,
    "loss": "bce",
    "upsampling": "transposed",
    "diffaugment": (),
    "spectral_norm": False,
    "r1_gamma": 0.0,
    "r1_every": 16,
    "dropout": DROPOUT,
    "input_noise": 0.0,
    "input_noise_steps": 1000,
    "clip_gradients": 0.0,
    "initial_std": INITIAL_STD,
}
"""Settings that older checkpoints do not have, by what those were trained by."""
_Rule = tuple[Callable[[Any], bool], str]


def _one_of(names: Collection[str]) -> _Rule:
    return (lambda value: value in names, f"choose {' or '.join(names)}")


_COUNT: _Rule = (lambda value: value >= 1, "give at least 1")
_BATCH: _Rule = (
    lambda value: value >= 2,  # noqa: PLR2004 - batch normalisation of one image is undefined
    "give at least 2",
)
_RATE: _Rule = (lambda value: 0 < value < math.inf, "give a finite number above 0")
_STRENGTH: _Rule = (
    lambda value: 0 <= value < math.inf,
    "give 0 for none, or a finite number above",
)
_SHARE: _Rule = (lambda value: 0 <= value < 1, "give 0 up to below 1")
_ALLOWED: dict[str, _Rule] = {
    **dict.fromkeys(("epochs", "noise_dim", "width"), _COUNT),
    **dict.fromkeys(("sample_every", "evaluate_every", "accumulate"), _COUNT),
    "batch_size": _BATCH,
    **dict.fromkeys(("r1_every", "input_noise_steps"), _COUNT),
    **dict.fromkeys(("learning_rate", "discriminator_rate", "initial_std"), _RATE),
    **dict.fromkeys(("r1_gamma", "input_noise", "clip_gradients"), _STRENGTH),
    **dict.fromkeys(("average_decay", "dropout"), _SHARE),
    "betas": (lambda both: all(0 <= beta < 1 for beta in both), "give two of 0 up to below 1"),
    "seed": (lambda value: value >= 0, "give at least 0"),
    "real_label": (lambda value: 0 < value <= 1, "give more than 0, up to 1"),
    "mixed_precision": _one_of(MIXED_PRECISIONS),
    "loss": _one_of(LOSSES),
    "upsampling": _one_of(UPSAMPLINGS),
    "diffaugment": (
        lambda kinds: {*kinds} <= {*AUGMENTATIONS},
        f"choose of {', '.join(AUGMENTATIONS)}",
    ),
}
"""By setting: whether a value is allowed, and what to do where it is not."""


def refuse_uneven_parts(batch: int, accumulate: int, processes: int = 1) -> None:
    """Make sure that a batch falls into equal parts, of at least two images each.

    Raises:
        UsageError: it does not.
    """
    shares = accumulate * processes
    if shares > 1 and (batch % shares or batch < 2 * accumulate):
        by = f"accumulate {accumulate}" + (f" and {processes} processes" if processes > 1 else "")
        raise UsageError(
            f"batch_size: {batch} images do not fall into equal parts by {by}; give a multiple of "
            f"{max(shares, 2 * accumulate)}"
        )


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
            faster; weights, optimisers and losses stay float32. "fp16" does so in float16, whose
            small numbers need losses to be scaled, on GPUs alone. "no" does all in float32.
        accumulate: how many parts a batch is computed in, one after the other, for less memory.
            Each step follows the mean of their gradients, and batch normalisation sees a part.
        evaluate_every: epochs between comparisons with the real pictures; there is one at the end.
        loss: "bce" as published, or "hinge".
        upsampling: how the generator doubles sizes; see `networks.gan.UPSAMPLINGS`.
        diffaugment: what is done to all that the discriminator sees; see `train.augmentation`.
        spectral_norm: bounds how much each layer of the discriminator can stretch its input.
        r1_gamma: how strongly the discriminator is kept flat around real images (0 not at all),
            `r1_every` so many steps; see `train.gan_losses.gradient_penalty`.
        dropout: the share of outputs that the discriminator's layers drop.
        input_noise: deviation of the noise on all that the discriminator sees, of images in
            [-1, 1]; it fades to none within `input_noise_steps` (Arjovsky and Bottou 2017).
        clip_gradients: the largest norm of each network's gradient (0 for any).
        initial_std: deviation of the starting weights at the published width.
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
    accumulate: int = 1
    loss: str = "bce"
    upsampling: str = "transposed"
    diffaugment: tuple[str, ...] = ()
    spectral_norm: bool = False
    r1_gamma: float = 0.0
    r1_every: int = 16
    dropout: float = DROPOUT
    input_noise: float = 0.0
    input_noise_steps: int = 1000
    clip_gradients: float = 0.0
    initial_std: float = INITIAL_STD

    def __post_init__(self) -> None:
        for name, (allows, remedy) in _ALLOWED.items():
            value = getattr(self, name)
            if not allows(value):
                shown = ", ".join(map(str, value)) if isinstance(value, tuple) else repr(value)
                raise UsageError(f"{name}: is {shown}; {remedy}")
        refuse_uneven_parts(self.batch_size, self.accumulate)
        if self.loss == "hinge" and self.real_label != 1:
            raise UsageError(
                f"real_label: is {self.real_label}, which the hinge loss does not know; give 1, or "
                "choose the loss bce"
            )

    def as_dict(self) -> dict[str, Any]:
        """The config as plain values, as a checkpoint holds it."""
        lists = {"betas": list(self.betas), "diffaugment": list(self.diffaugment)}
        return asdict(self) | lists

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "GanConfig":
        """The config that `as_dict` gave.

        Raises:
            BadInputError: a value is missing or unknown.
        """
        whole = {**_LATER, **values}
        refuse_other_values(cls, whole)
        betas = (whole["betas"][0], whole["betas"][1])
        return cls(**{**whole, "betas": betas, "diffaugment": tuple(whole["diffaugment"])})


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
            evaluate_every=2,
        ),
        classes=("Apple", "Pear"),
        images_per_class=500,
        max_chunk_mb=6,
    ),
}
