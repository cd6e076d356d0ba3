"""How far a .tflite's outputs are from the network's: one function per metric.

Every function takes the reference and the candidate, (N, ...) each, and the span of values.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from verify.verdict import Figure

if TYPE_CHECKING:
    from wrappers.spec import Arrays

Values: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True)
class Metric:
    """A figure of a verdict that the outputs alone tell, and how it is measured.

    Attributes:
        measure: reference, candidate and span to its value.
        each: to the value of each sample; None where that is `measure` of the sample alone.
    """

    name: str
    figure: Figure
    measure: Callable[[Values, Values, float], float]
    each: "Callable[[Values, Values, float], NDArray[Any]] | None" = None

    def worst(self, reference: Values, candidate: Values, span: float) -> tuple[int, float]:
        """The number of the worst sample, and its value."""
        if self.each is not None:
            each = self.each(reference, candidate, span).tolist()
        else:
            pairs = zip(reference, candidate, strict=True)
            each = [self.measure(one[None], other[None], span) for one, other in pairs]
        place = int(np.argmax(each) if self.figure.sense == "at_most" else np.argmin(each))
        return place, each[place]


def stacked(outputs: "Sequence[Arrays]", *names: str) -> Values:
    """One output of many samples, (N, ...); several are joined along their last axis."""
    return np.concatenate(
        [np.concatenate([np.asarray(item[name]) for name in names], axis=-1) for item in outputs]
    )


def max_abs_difference(reference: Values, candidate: Values, _span: float) -> float:
    """The largest difference of any output value."""
    return float(np.abs(reference.astype(np.float64) - candidate).max())


def mean_abs_difference(reference: Values, candidate: Values, _span: float) -> float:
    """The mean difference over all output values."""
    return float(np.abs(reference.astype(np.float64) - candidate).mean())


def psnr_db(reference: Values, candidate: Values, span: float) -> float:
    """Peak signal-to-noise ratio over all samples together, in dB; infinite where equal."""
    error = float(np.square(reference.astype(np.float64) - candidate).mean())
    return float("inf") if error == 0 else 10 * float(np.log10(span**2 / error))


def worst_psnr_db(reference: Values, candidate: Values, span: float) -> float:
    """The PSNR of the worst sample, in dB."""
    pairs = zip(reference, candidate, strict=True)
    return float(np.min([psnr_db(one, other, span) for one, other in pairs]))


def ssim(reference: Values, candidate: Values, span: float) -> float:
    """Structural similarity, the mean over samples of (N, H, W, C) images; 1 where equal."""
    from skimage.metrics import structural_similarity

    return float(
        np.mean(
            [
                structural_similarity(  # type: ignore[no-untyped-call]  # scikit-image has no types
                    one, other, data_range=span, channel_axis=-1
                )
                for one, other in zip(reference, candidate, strict=True)
            ]
        )
    )


def max_difference_of_largest(reference: Values, candidate: Values, span: float) -> float:
    """The largest difference, as a part of the reference's largest value."""
    largest = float(np.abs(reference).max())
    return max_abs_difference(reference, candidate, span) / largest


def relative_l2(reference: Values, candidate: Values, _span: float) -> float:
    """The Euclidean norm of all differences over that of the reference."""
    exact = reference.astype(np.float64)
    return float(np.linalg.norm(candidate - exact) / np.linalg.norm(exact))


def bits_flipped(reference: Values, candidate: Values, _span: float) -> float:
    """How many bits of the messages differ; (N, 1 + nbits) logits, the bits after the first."""
    return float(np.count_nonzero((reference[:, 1:] > 0) != (candidate[:, 1:] > 0)))


def surest_bit_flipped(reference: Values, candidate: Values, span: float) -> float:
    """Of the bits that differ, how far PyTorch's surest is from 0, in RMS of all logits; else 0."""
    return float(_sureness_flipped(reference, candidate, span).max())


def smallest_margin(reference: Values, candidate: Values, span: float) -> float:
    """How far the bit nearest to the other value lies from it, in RMS of all logits.

    Below 0 where a bit flipped: then that far on the wrong side.
    """
    return float(_margins(reference, candidate, span).min())


def _sureness_flipped(reference: Values, candidate: Values, _span: float) -> NDArray[Any]:
    """`surest_bit_flipped` of each sample, (N,); NaN where an answer is none."""
    logits = reference[:, 1:].astype(np.float64)
    flipped = (logits > 0) != (candidate[:, 1:] > 0)
    sureness = np.where(flipped, np.abs(logits) / _rms(logits), 0.0)
    most: NDArray[Any] = np.where(np.isnan(candidate[:, 1:]), np.nan, sureness).max(axis=1)
    return most


def _margins(reference: Values, candidate: Values, _span: float) -> NDArray[Any]:
    """`smallest_margin` of each sample, (N,)."""
    logits = reference[:, 1:].astype(np.float64)
    margins: NDArray[Any] = np.where(logits > 0, 1, -1) * candidate[:, 1:] / _rms(logits)
    least: NDArray[Any] = margins.min(axis=1)
    return least


def _rms(logits: NDArray[Any]) -> float:
    """Root mean square over all samples; never 0."""
    return max(float(np.sqrt(np.square(logits).mean())), float(np.finfo(np.float64).tiny))


_OF_DOUBTFUL_BITS = (
    "surest_bit_flipped is held in its place, as bits near 0 are read either way by PyTorch too"
)

METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "max_abs_difference",
            Figure("largest difference of any output value from PyTorch's"),
            max_abs_difference,
        ),
        Metric(
            "mean_abs_difference",
            Figure("average difference of the output values from PyTorch's"),
            mean_abs_difference,
        ),
        Metric(
            "psnr_db",
            Figure("over all pictures; above 40 dB no eye tells them apart", "at_least"),
            psnr_db,
        ),
        Metric(
            "worst_psnr_db", Figure("of the picture that came out worst", "at_least"), worst_psnr_db
        ),
        Metric("ssim", Figure("likeness of structure; 1 is the same picture", "at_least"), ssim),
        Metric(
            "max_difference_of_largest",
            Figure("largest difference of any logit, as a part of the largest logit"),
            max_difference_of_largest,
        ),
        Metric(
            "relative_l2",
            Figure("distance of all logits together, as a part of theirs"),
            relative_l2,
        ),
        Metric(
            "bits_flipped",
            Figure("message bits read otherwise", informs=_OF_DOUBTFUL_BITS),
            bits_flipped,
        ),
        Metric(
            "surest_bit_flipped",
            Figure("how sure PyTorch was of the surest bit that is read otherwise, 1 as of most"),
            surest_bit_flipped,
            _sureness_flipped,
        ),
        Metric(
            "smallest_margin",
            Figure(
                "how far the nearest bit is from flipping, in RMS of the logits; below 0 it did",
                "at_least",
                informs=_OF_DOUBTFUL_BITS,
            ),
            smallest_margin,
            _margins,
        ),
    )
}
