"""Every figure against one computed by hand or by scikit-image."""

import math

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from verify.metrics import METRICS, Values, stacked

SPAN = 2.0


def measured(name: str, reference: Values, candidate: Values) -> float:
    return METRICS[name].measure(reference, candidate, SPAN)


@pytest.fixture
def pictures() -> tuple[Values, Values]:
    """Three pictures (3, 32, 32, 1) in [-1, 1], and the same with noise that grows."""
    rng = np.random.default_rng(0)
    reference = rng.uniform(-1, 1, (3, 32, 32, 1)).astype(np.float32)
    noise = rng.standard_normal(reference.shape).astype(np.float32)
    scale = np.array([0.01, 0.02, 0.1], dtype=np.float32).reshape(3, 1, 1, 1)
    return reference, reference + noise * scale


def test_differences_by_hand() -> None:
    reference = np.array([[0.0, 1.0], [-1.0, 0.5]], dtype=np.float32)
    candidate = np.array([[0.25, 1.0], [-1.5, 0.5]], dtype=np.float32)
    assert measured("max_abs_difference", reference, candidate) == 0.5
    assert measured("mean_abs_difference", reference, candidate) == 0.75 / 4


def test_psnr_by_hand() -> None:
    reference = np.zeros((2, 4), dtype=np.float32)
    candidate = np.array([[0.2] * 4, [0.0] * 4], dtype=np.float32)
    # Mean squared error 0.02 over both, 0.04 over the first; the span is 2.
    assert measured("psnr_db", reference, candidate) == pytest.approx(10 * math.log10(4 / 0.02))
    assert measured("worst_psnr_db", reference, candidate) == pytest.approx(20)


def test_psnr_and_ssim_are_those_of_scikit_image(pictures: tuple[Values, Values]) -> None:
    reference, candidate = pictures
    expected_psnr = peak_signal_noise_ratio(  # type: ignore[no-untyped-call]  # it has no types
        reference, candidate, data_range=SPAN
    )
    expected_ssim = [
        structural_similarity(  # type: ignore[no-untyped-call]  # it has no types
            one[..., 0], other[..., 0], data_range=SPAN
        )
        for one, other in zip(reference, candidate, strict=True)
    ]
    assert measured("psnr_db", reference, candidate) == pytest.approx(expected_psnr)
    assert measured("ssim", reference, candidate) == pytest.approx(np.mean(expected_ssim))


def test_the_worst_picture_counts_by_itself(pictures: tuple[Values, Values]) -> None:
    reference, candidate = pictures
    worst = measured("psnr_db", reference[2:], candidate[2:])
    assert measured("worst_psnr_db", reference, candidate) == pytest.approx(worst)
    assert worst < measured("psnr_db", reference, candidate)


def test_equal_outputs_are_perfect_in_every_metric(pictures: tuple[Values, Values]) -> None:
    reference, _ = pictures
    perfect = {
        "max_abs_difference": 0.0,
        "mean_abs_difference": 0.0,
        "psnr_db": math.inf,
        "worst_psnr_db": math.inf,
        "ssim": 1.0,
    }
    assert {name: measured(name, reference, reference) for name in perfect} == perfect


def test_small_differences_are_not_lost_in_float32() -> None:
    reference = np.full((1, 1000), 1.0, dtype=np.float32)
    candidate = np.nextafter(reference, np.float32(2))
    assert measured("mean_abs_difference", reference, candidate) == pytest.approx(2**-23)


@pytest.mark.parametrize("name", ["max_abs_difference", "mean_abs_difference", "psnr_db", "ssim"])
def test_nan_is_never_hidden(name: str, pictures: tuple[Values, Values]) -> None:
    reference, candidate = pictures
    candidate[0, 5, 5, 0] = np.nan
    assert math.isnan(measured(name, reference, candidate))


def test_outputs_of_samples_are_stacked_by_name() -> None:
    items = [{"a": np.full((1, 2), n, np.float32), "b": np.zeros(1, np.float32)} for n in (1, 2)]
    assert stacked(items, "a").tolist() == [[1, 1], [2, 2]]


def test_every_metric_is_listed_under_its_own_name() -> None:
    assert all(
        name == metric.name and metric.figure.explanation for name, metric in METRICS.items()
    )
