"""The name that was meant."""

import pytest

from chunkport.choices import did_you_mean


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("Aple", " Did you mean 'Apple'?"),
        ("APPLE", " Did you mean 'Apple'?"),
        ("orang", " Did you mean 'Orange'?"),
        ("Durian", ""),
        ("", ""),
    ],
)
def test_the_nearest_name_is_told_if_one_is_near(typed: str, said: str) -> None:
    assert did_you_mean(typed, ["Apple", "Orange"]) == said
