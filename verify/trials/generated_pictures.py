"""What a generator draws, from many latents: each picture, and all of them together.

Both sides draw from the same latents. Pictures are compared one by one with PyTorch's; then what
is drawn as a whole: whether it drifted (KID), and whether it is as diverse as PyTorch's.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from networks.fruit_classifier import looks_at
from networks.fruit_features import are_fruit_like, features_sha256, fruit_features
from networks.quality.diversity import distances, mean_distance, nearest_distances
from networks.quality.set_distance import chance_kid, paired_kid
from verify.message_statistics import Interval
from verify.metrics import Values, psnr_db, ssim
from verify.picture_outputs import as_pictures, is_picture
from verify.trials import Drawn, Exam, Trial, TrialChoices, TrialSetting
from verify.verdict import Check, Figure, Limits, measured, skipped

if TYPE_CHECKING:
    from verify.runtimes import Session
    from wrappers.spec import Arrays, TensorSpec

LATENTS = 256
_WORST_TWENTIETH = 5  # percentile
_STILL_DISTINCT = 0.5  # of the distance to the nearest picture, as PyTorch has it
_ALL_THE_SAME = 1e-6  # of the span: a mean distance of float32 rounding
_SHOWN_OF_HASH = 12
# The kernel is a cubic: far from fruit a difference that no eye sees weighs thousands of times as
# much.
_UNLIKE_FRUIT = "PyTorch's own pictures are unlike any fruit, so that features of fruit say little"

_ROWS: Mapping[str, Figure] = {
    "worst_latent_psnr_db": Figure(
        f"the picture that came out worst of {LATENTS}; above 40 dB no eye tells them apart",
        "at_least",
    ),
    "p5_latent_psnr_db": Figure("19 of 20 pictures came out better than this", "at_least"),
    "worst_latent_ssim": Figure("likeness of structure where it is least; 1 is equal", "at_least"),
    "kid_drift": Figure(
        "how far all pictures together drifted (KID): the upper end of its 95 % interval"
    ),
    "kid_floor": Figure(
        "to judge it by: what chance makes of KID between two halves of PyTorch's own pictures",
        informs="it is of PyTorch alone",
    ),
    "diversity": Figure(
        "how much its pictures differ from each other; 1 is as much as PyTorch's", "at_least"
    ),
    "distinct_pictures": Figure(
        "share of pictures that are still apart from all others; 0 if all are one", "at_least"
    ),
}
_OF_FEATURES = ("kid_drift", "kid_floor")
_OF_DIVERSITY = ("diversity", "distinct_pictures")


def _rows(_choices: TrialChoices) -> Mapping[str, Figure]:
    return _ROWS


@dataclass(frozen=True)
class _Side:
    """What was drawn from all latents, by the network or by a file.

    Attributes:
        pictures: (N, H, W, C).
        features: of them, (N, d); None where the fruit classifier cannot look at them.
        apart: how much any two differ; see `networks.quality.diversity.distances`.
    """

    pictures: Values
    features: NDArray[np.float32] | None
    apart: NDArray[np.float64]


def _prepare(setting: TrialSetting) -> Exam | str:
    spec, output = setting.spec, setting.contract.outputs[0]
    if not is_picture(output):
        return f"the output '{output.name}' is no picture"
    setting.on_note("drawing from many latents")
    inputs = spec.make_samples(setting.contract, LATENTS, setting.seed)
    span = spec.output_span
    references = [spec.reference(setting.network, item) for item in inputs]
    expected = _side(references, output, span)

    def exam(session: "Session", limits: Limits) -> Iterator[Check]:
        answers = [session.run(item) for item in inputs]
        setting.on_drawn(Drawn(inputs, references, answers))
        actual = _side(answers, output, span)
        yield from _one_by_one(expected, actual, span[1] - span[0], limits)
        yield from _drift(expected, actual, limits)
        yield from _diversity(expected, actual, span[1] - span[0], limits)

    return exam


def _side(outputs: "list[Arrays]", output: "TensorSpec", span: tuple[float, float]) -> _Side:
    pictures = as_pictures(outputs, output)
    channels_first = np.moveaxis(pictures, -1, 1)
    features = None
    if looks_at(channels_first.shape):
        lowest, highest = span
        features = fruit_features((channels_first - lowest) * (2 / (highest - lowest)) - 1)
    return _Side(pictures, features, distances(pictures))


def _one_by_one(expected: _Side, actual: _Side, span: float, limits: Limits) -> Iterator[Check]:
    def each(measure: Callable[[Values, Values, float], float]) -> NDArray[np.float64]:
        pairs = zip(expected.pictures, actual.pictures, strict=True)
        return np.array([measure(one[None], other[None], span) for one, other in pairs])

    decibels, likeness = each(psnr_db), each(ssim)
    lowest = np.percentile(decibels, _WORST_TWENTIETH, method="lower")
    for name, value, of_each in (
        ("worst_latent_psnr_db", decibels.min(), decibels),
        ("p5_latent_psnr_db", lowest, None),
        ("worst_latent_ssim", likeness.min(), likeness),
    ):
        worst = None if of_each is None else f"sample {of_each.argmin()}: {of_each.min():.4g}"
        yield measured(name, _ROWS[name], float(value), limits, worst)


def _drift(expected: _Side, actual: _Side, limits: Limits) -> Iterator[Check]:
    if expected.features is None or actual.features is None:
        shape = " x ".join(map(str, expected.pictures.shape[1:]))
        reason = f"its features are of grey 128 x 128 pictures, and these are {shape}"
        for name in _OF_FEATURES:
            yield skipped(name, _ROWS[name].explanation, reason)
        return
    figure = _ROWS["kid_drift"]
    if not are_fruit_like(expected.features):
        figure = replace(figure, informs=_UNLIKE_FRUIT)
        limits = {name: limit for name, limit in limits.items() if limit.by_hand}
    kid = paired_kid(expected.features, actual.features)
    drift = measured("kid_drift", figure, kid.highest, limits)
    yield replace(
        drift,
        detail=f"KID {kid.value:.2g} by fruit classifier {features_sha256()[:_SHOWN_OF_HASH]}",
        interval=Interval(kid.lowest, kid.highest),
    )
    yield measured("kid_floor", _ROWS["kid_floor"], chance_kid(expected.features), limits)


def _diversity(expected: _Side, actual: _Side, span: float, limits: Limits) -> Iterator[Check]:
    own = mean_distance(expected.apart)
    if own <= _ALL_THE_SAME * span:
        reason = "PyTorch itself draws one picture from every latent, so nothing can be lost"
        for name in _OF_DIVERSITY:
            yield skipped(name, _ROWS[name].explanation, reason)
        return
    ratio = mean_distance(actual.apart) / own
    yield measured("diversity", _ROWS["diversity"], ratio, limits)
    before, after = nearest_distances(expected.apart), nearest_distances(actual.apart)
    kept = after >= _STILL_DISTINCT * before
    lost = (~kept).nonzero()[0]
    worst = f"sample {lost[0]}: as another's" if lost.size else None
    yield measured(
        "distinct_pictures", _ROWS["distinct_pictures"], float(kept.mean()), limits, worst
    )


TRIAL = Trial("generated-pictures", _rows, _prepare)
