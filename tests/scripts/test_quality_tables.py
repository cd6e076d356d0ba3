"""How `score-images` writes its figures."""

import pytest

from scripts._quality_tables import with_interval


@pytest.mark.parametrize(
    ("value", "half", "shown"),
    [
        (829.216, 49.921, "829 ± 50"),
        (0.42804, 0.09613, "0.428 ± 0.096"),
        (-0.105, 0.588, "-0.10 ± 0.59"),
        (3.21e-05, 4.56e-06, "0.0000321 ± 0.0000046"),
        (2.5, 0.0, "2.5 ± 0"),
    ],
)
def test_a_distance_has_the_digits_that_its_interval_bears(
    value: float, half: float, shown: str
) -> None:
    assert with_interval(value, half) == shown
