"""Limits on survival, met and missed."""

from verify.attack_survival import Survival
from verify.false_positives import FalsePositives
from verify.message_statistics import Interval
from verify.survival_checks import false_positive_checks, survival_checks

ANY = Interval(0, 1)


def survival(attack: str, reader: str, accuracy: float) -> Survival:
    return Survival(attack, "", reader, 10, accuracy, ANY, 0.5, ANY, 0.5, 0.5, 0)


ROWS = [
    survival("none", "PyTorch", 1.0),
    survival("none", "int8", 0.999),
    survival("jpeg-50", "PyTorch", 0.96),
    survival("jpeg-50", "int8", 0.94),
]


def test_without_limits_there_is_nothing_to_miss() -> None:
    assert survival_checks(ROWS, {}, None) == []


def test_a_least_accuracy_is_asked_of_every_reader() -> None:
    pytorch, int8 = survival_checks(ROWS, {"jpeg-50": 0.95}, None)
    assert (pytorch.name, pytorch.passed) == ("bit_accuracy jpeg-50 PyTorch", True)
    assert (int8.name, int8.passed, int8.value) == ("bit_accuracy jpeg-50 int8", False, 0.94)


def test_the_loss_is_that_of_the_worst_attack_and_not_the_references_own() -> None:
    (check,) = survival_checks(ROWS, {}, 0.005)
    assert (check.name, check.passed) == ("accuracy_loss int8", False)
    assert round(check.value or 0, 6) == 0.02
    (wide,) = survival_checks(ROWS, {}, 0.021)
    assert wide.passed


def test_more_than_chance_fails() -> None:
    rows = [FalsePositives("PyTorch", 9, found, 1, 0.999, 0.5, 0, ANY) for found in (1, 2)]
    assert [check.passed for check in false_positive_checks(rows)] == [True, False]
