"""How far a .tflite's outputs are from the network's: one function per metric.

Every function takes the reference and the candidate, (N, ...) each, and the span of values.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from verify.verdict import Figure

if TYPE_CHECKING:
    from wrappers.spec import Arrays

Values: TypeAlias = NDArray[np.float32]
_CLEAR = 0.1  # of the RMS: a logit that far from 0 says its bit clearly


@dataclass(frozen=True)
class Metric:
    """A figure of a verdict that the outputs alone tell, and how it is measured."""

    name: str
    figure: Figure
    measure: Callable[[Values, Values, float], float]

    def worst(self, reference: Values, candidate: Values, span: float) -> tuple[int, float]:
        """The number of the sample that is worst by itself, and what is measured of it alone."""
        each = [
            self.measure(one[None], other[None], span)
            for one, other in zip(reference, candidate, strict=True)
        ]
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


def clear_bits_flipped(reference: Values, candidate: Values, _span: float) -> float:
    """As `bits_flipped`, among the logits above a tenth of their sample's RMS."""
    logits = reference[:, 1:].astype(np.float64)
    clear = np.abs(logits) > _CLEAR * _rms(logits)
    return float(np.count_nonzero(clear & ((logits > 0) != (candidate[:, 1:] > 0))))


def smallest_margin(reference: Values, candidate: Values, _span: float) -> float:
    """How far the bit nearest to the other value lies from it, in RMS of its sample's logits.

    Below 0 where a bit flipped: then that far on the wrong side.
    """
    logits = reference[:, 1:].astype(np.float64)
    return float((np.where(logits > 0, 1, -1) * candidate[:, 1:] / _rms(logits)).min())


def _rms(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Root mean square of each sample, (N, 1); never 0."""
    rms: NDArray[np.float64] = np.sqrt(np.square(logits).mean(axis=1, keepdims=True))
    return np.maximum(rms, np.finfo(np.float64).tiny)


_MARGIN_OF_DOUBT = "its limit is on clear_bits_flipped: a bit near 0 says nothing in PyTorch either"

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
            Figure("message bits read otherwise", informs=_MARGIN_OF_DOUBT),
            bits_flipped,
        ),
        Metric(
            "clear_bits_flipped",
            Figure("of these, the ones that PyTorch is sure of: beyond a tenth of the logits' RMS"),
            clear_bits_flipped,
        ),
        Metric(
            "smallest_margin",
            Figure(
                "how far the nearest bit is from flipping, in RMS of the logits; below 0 it did",
                "at_least",
                informs=_MARGIN_OF_DOUBT,
            ),
            smallest_margin,
        ),
    )
}
