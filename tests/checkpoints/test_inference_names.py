from datetime import date

import pytest

from checkpoints.inference_names import descriptive_name, free_name, next_version, parse_version
from chunkport.errors import UsageError

DAY = date(2025, 1, 2)


@pytest.mark.parametrize(
    ("value", "percent"),
    [(0.87, 87), (0.29, 29), (0.57, 57), (0.58, 58), (0.285, 29), (0.005, 1), (0.0, 0), (1, 100)],
)
def test_the_metric_is_rounded_not_cut(value: float, percent: int) -> None:
    name = descriptive_name("BiLSTM_Attention", "ECG", "acc", value, DAY)
    assert name == f"BiLSTM_Attention_ECG_acc{percent}_20250102"


@pytest.mark.parametrize(
    ("parts", "value", "message"),
    [
        (("Net", "ECG", "loss"), 1.2, "loss: is 1.2; only a share from 0 to 1"),
        (("Net", "ECG", "acc"), float("nan"), "acc: is nan; only a share"),
        (("Net", "../x", "acc"), 0.5, "name: '../x' has other than letters"),
    ],
)
def test_what_makes_no_name_is_refused(
    parts: tuple[str, str, str], value: float, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        descriptive_name(*parts, value, DAY)


def test_versions_count_up() -> None:
    assert next_version([]) == "v1.0"
    assert next_version(["v1.0", "v1.9", "v0.99"]) == "v1.10"
    assert next_version(["2.0.3", "v1.0"]) == "v2.1"
    assert parse_version("1.2.3") == (1, 2, 3)
    with pytest.raises(UsageError, match=r"version: 'one' is not one; give .* v1\.0"):
        parse_version("one")


def test_a_taken_name_gets_the_first_free_number() -> None:
    assert free_name("a", set()) == "a"
    assert free_name("a", {"a", "a_2", "a_4"}) == "a_3"
