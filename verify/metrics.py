"""How far a .tflite's outputs are from the network's: one function per metric.

Every function takes the reference and the candidate, (N, ...) each, and the span of values.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from wrappers.spec import Arrays

Values: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True)
class Metric:
    """A figure of a verdict, and what it says in plain words."""

    name: str
    explanation: str
    measure: Callable[[Values, Values, float], float]


def stacked(outputs: "Sequence[Arrays]", name: str) -> Values:
    """One output of many samples, (N, ...)."""
    return np.concatenate([np.asarray(item[name]) for item in outputs])


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


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "max_abs_difference",
            "largest difference of any output value from PyTorch's",
            max_abs_difference,
        ),
        Metric(
            "mean_abs_difference",
            "average difference of the output values from PyTorch's",
            mean_abs_difference,
        ),
        Metric("psnr_db", "over all pictures; above 40 dB no eye tells them apart", psnr_db),
        Metric("worst_psnr_db", "of the picture that came out worst", worst_psnr_db),
        Metric("ssim", "likeness of structure; 1 is the same picture", ssim),
    )
}
