"""How good what a generator ships is, beside the pictures it learns from: after every epoch.

All comes from the same latents each time, so that epochs compare, and from as many real pictures.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from networks.fruit_features import are_fruit_like, fruit_features
from networks.gan import Generator
from networks.quality.diversity import distances, mean_distance, nearest_distances
from networks.quality.set_distance import paired_kid
from train.gan_config import GanConfig
from train.gan_signs import Bars
from train.gan_state import new_state, shipped_generator
from train.images import to_unit_range
from train.processes import Processes
from train.samples import draw
from train.seeds import derived_seed

EVALUATION_KEYS = ("kid", "diversity", "variety", "distinctness", "roughness")
"""What is measured of the generated pictures.

`kid`: how far they lie from the real ones as a set (`networks.quality.set_distance`), in the
features of the fruit classifier; chance makes it 0 on average for pictures of the same kind.
`diversity`, `variety` and `distinctness`: how much any two of them differ in pixels, how far their
features spread, and how far each is from the one most like it; 1 is as much as in real pictures.
`roughness`: the mean squared step from pixel to pixel, over twice the variance: 1 for white noise,
towards 0 for smooth surfaces.
"""
_MOST = 500
# Of the real pictures. Width 64 spends 1 % of an epoch so, width 16 about a tenth.
_SHARE = 0.25
_FEWEST = 64  # where there are so many
_COMPARABLE = 3  # of which KID can be computed at all
_COMPARED_BY_PIXEL = 200
_BATCH = 64
_UNLIKE_FRUIT = (
    "The pictures are unlike any fruit that chunkport's classifier knows. KID still compares with "
    "these very pictures, in features that were made for fruit: trust large differences only."
)
_TOO_FEW = (
    "Warning: KID needs at least {fewest} pictures, and there are {count}: no checkpoint can be "
    "called the best by it; add pictures, or choose another --metric"
)

Images = NDArray[np.float32]


@dataclass(frozen=True)
class Looks:
    """What a set of pictures has by itself.

    Attributes:
        features: of each, (N, 64).
        apart: the mean RMS difference of any two.
        nearest: the mean RMS difference of each from the one most like it.
        spread: the mean standard deviation of a feature.
        roughness: as in `EVALUATION_KEYS`.
    """

    features: NDArray[np.float32]
    apart: float
    nearest: float
    spread: float
    roughness: float


def look_at(images: Images) -> Looks:
    """At images (N, 1, 128, 128) in [-1, 1], of which there must be two."""
    features = fruit_features(images)
    # From all of them: real ones stand in the order of their kinds.
    some = np.linspace(0, len(images) - 1, min(len(images), _COMPARED_BY_PIXEL)).astype(int)
    apart = distances(images[some])
    return Looks(
        features=features,
        apart=mean_distance(apart),
        nearest=float(nearest_distances(apart).mean()),
        spread=float(features.std(axis=0, dtype=np.float64).mean()),
        roughness=_roughness(images),
    )


def _roughness(images: Images) -> float:
    """As in `EVALUATION_KEYS`; a blank picture has none."""
    pictures = images[:, 0].astype(np.float64)
    variance = pictures.var(axis=(1, 2))
    steps = [np.square(np.diff(pictures, axis=axis)).mean(axis=(1, 2)) for axis in (1, 2)]
    blank = variance <= np.finfo(np.float32).eps
    ratio = (steps[0] + steps[1]) / (4 * np.where(blank, 1, variance))
    return float(np.where(blank, 0, ratio).mean())


def compare(generated: Looks, real: Looks) -> dict[str, float]:
    """What stands under each of `EVALUATION_KEYS`; all sets are of one size."""
    figures = (
        paired_kid(real.features, generated.features).value,
        _ratio(generated.apart, real.apart),
        _ratio(generated.spread, real.spread),
        _ratio(generated.nearest, real.nearest),
        generated.roughness,
    )
    return dict(zip(EVALUATION_KEYS, figures, strict=True))


def _ratio(part: float, whole: float) -> float:
    """Of real pictures that do not differ at all no share can be told."""
    return part / whole if whole > 0 else math.nan


@dataclass(frozen=True)
class GanEvaluation:
    """What a run's generators are judged by.

    Attributes:
        real: of the real pictures; None where there are too few.
        latents: (N, noise_dim), as many as those.
        bars: what the signs of success and failure are told by.
    """

    real: Looks | None
    latents: torch.Tensor
    bars: Bars

    def judge(self, generator: Generator) -> dict[str, float]:
        """What the generator achieves, under each of `EVALUATION_KEYS`."""
        if self.real is None:
            return not_evaluated()
        return compare(look_at(_drawn(generator, self.latents)), self.real)


def not_evaluated() -> dict[str, float]:
    """What stands in the history of an epoch that nothing is known of."""
    return dict.fromkeys(EVALUATION_KEYS, math.nan)


def pictures_compared(count: int) -> int:
    """How many pictures are compared with as many of `count` real ones."""
    return min(_MOST, max(int(_SHARE * count), min(_FEWEST, count)))


def gan_evaluation(
    config: GanConfig, images: torch.Tensor, device: str, announce: Callable[[str], None]
) -> GanEvaluation:
    """Look at some of the real `images` (N, 1, 128, 128) uint8, and at an untrained generator.

    `announce` hears where the figures will say little.

    Raises:
        BadInputError: the fruit classifier's file is missing or damaged.
    """
    count = pictures_compared(len(images))
    source = torch.Generator().manual_seed(derived_seed(config.seed, "evaluation latents"))
    latents = torch.randn(count, config.noise_dim, generator=source).to(device)
    if count < _COMPARABLE:
        announce(_TOO_FEW.format(fewest=_COMPARABLE, count=count))
        return GanEvaluation(None, latents, Bars(config.epochs, config.real_label))
    chosen = torch.linspace(0, len(images) - 1, count).long()
    pictures = to_unit_range(images[chosen.to(images.device)]).cpu().numpy()
    real = look_at(pictures)
    if not are_fruit_like(real.features):
        announce(_UNLIKE_FRUIT)
    blank = np.broadcast_to(pictures.mean(axis=0, keepdims=True), pictures[:_BATCH].shape)
    features = fruit_features(np.ascontiguousarray(blank))[:1].repeat(count, axis=0)
    untrained = shipped_generator(new_state(config, Processes(device=device)), epoch=0)
    bars = Bars(
        config.epochs,
        config.real_label,
        roughness=real.roughness,
        blank_kid=paired_kid(real.features, features).value,
        untrained_kid=compare(look_at(_drawn(untrained, latents)), real)["kid"],
    )
    return GanEvaluation(real, latents, bars)


def _drawn(generator: Generator, latents: torch.Tensor) -> Images:
    parts = [draw(generator, part) for part in torch.split(latents, _BATCH)]
    drawn: Images = torch.cat(parts).numpy()
    return drawn


def epoch_figures(
    evaluation: GanEvaluation, config: GanConfig, epoch: int, generator: Generator
) -> Mapping[str, float]:
    """What is entered into the history after this epoch, which may not be due to be evaluated."""
    due = epoch % config.evaluate_every == 0 or epoch == config.epochs
    return evaluation.judge(generator) if due else not_evaluated()
