"""The detectors' figures on logits whose answers are known by hand."""

import numpy as np
import pytest

from verify.metrics import METRICS, Values, stacked

# Detection first, then four bits; their RMS is 1 in both samples.
REFERENCE = np.array([[5, 1, -1, 1, -1], [-5, 1.99, 0.1, -0.19, 0.03]], dtype=np.float32)
REFERENCE[1, 1:] /= np.sqrt(np.square(REFERENCE[1, 1:]).mean())


def measured(name: str, candidate: Values) -> float:
    return METRICS[name].measure(REFERENCE, candidate, float("inf"))


def test_equal_logits_differ_in_nothing() -> None:
    for name in ("max_difference_of_largest", "relative_l2", "bits_flipped", "surest_bit_flipped"):
        assert measured(name, REFERENCE.copy()) == 0
    assert measured("smallest_margin", REFERENCE.copy()) == pytest.approx(0.03, rel=0.01)


def test_differences_are_parts_of_the_reference() -> None:
    candidate = REFERENCE.copy()
    candidate[0, 0] += 0.5
    assert measured("max_difference_of_largest", candidate) == pytest.approx(0.1)
    assert measured("relative_l2", 1.25 * REFERENCE) == pytest.approx(0.25)
    assert measured("relative_l2", -REFERENCE) == pytest.approx(2)


def test_a_flip_weighs_as_much_as_pytorch_was_sure_of_the_bit() -> None:
    faint, clear, detection = REFERENCE.copy(), REFERENCE.copy(), REFERENCE.copy()
    faint[1, 4] = -0.01
    clear[1, 3] = clear[1, 4] = 0.01
    clear[0, 1] = 0.2  # further off, but not flipped
    detection[:, 0] *= -1
    for candidate, flipped, surest in ((faint, 1, 0.03), (clear, 1, 0.19), (detection, 0, 0)):
        assert measured("bits_flipped", candidate) == flipped
        assert measured("surest_bit_flipped", candidate) == pytest.approx(surest, rel=0.01)


def test_an_answer_that_is_none_is_no_agreement() -> None:
    candidate = REFERENCE.copy()
    candidate[1, 3] = np.nan
    assert np.isnan(measured("surest_bit_flipped", candidate))


def test_the_worst_sample_is_told_on_the_scale_of_all() -> None:
    candidate = REFERENCE.copy()
    candidate[1, 3] = 0.01
    surest = METRICS["surest_bit_flipped"].worst(REFERENCE, candidate, 1)
    assert surest == (1, measured("surest_bit_flipped", candidate))
    margin = METRICS["smallest_margin"].worst(REFERENCE, candidate, 1)
    assert margin == (1, measured("smallest_margin", candidate))


def test_the_margin_is_negative_by_how_far_a_bit_went_wrong() -> None:
    candidate = REFERENCE.copy()
    candidate[0, 2] = 0.25
    assert measured("smallest_margin", candidate) == pytest.approx(-0.25)


def test_a_bit_is_one_above_zero_alone() -> None:
    candidate = REFERENCE.copy()
    candidate[0, 1] = 0
    assert measured("bits_flipped", candidate) == 1
    candidate[0, 1], candidate[0, 2] = 1, 0
    assert measured("bits_flipped", candidate) == 0


def test_several_outputs_are_joined_in_order() -> None:
    one = {"b": np.ones((1, 2), np.float32), "a": np.zeros((1, 1), np.float32)}
    assert stacked([one, one], "a", "b").tolist() == [[0, 1, 1], [0, 1, 1]]
    assert stacked([one], "b").tolist() == [[1, 1]]
