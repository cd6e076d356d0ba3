import pytest

from verify.report.figures import duration, figure, shape, share, some_bytes


@pytest.mark.parametrize(
    ("value", "name", "shown"),
    [
        (None, "", ""),
        (float("inf"), "psnr_db", "∞ dB"),
        (float("nan"), "", "nan"),
        (0.00012345, "", "0.0001234"),
        (12345.6, "", "12,346"),
        (7.71, "latency_p50_ms", "7.71 ms"),
    ],
)
def test_figures_carry_the_unit_of_their_name(value: float | None, name: str, shown: str) -> None:
    assert figure(value, name).replace("\N{NO-BREAK SPACE}", " ") == shown


@pytest.mark.parametrize(
    ("size", "shown"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2_345_678, "2.35 MB")]
)
def test_bytes_have_the_unit_that_suits_them(size: int, shown: str) -> None:
    assert some_bytes(size).replace("\N{NO-BREAK SPACE}", " ") == shown


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [(1, 3, "33.3%"), (1, 10**6, "< 0.1%"), (0, 5, "0.0%"), (0, 0, "0.0%")],
)
def test_a_small_share_is_not_shown_as_none(part: int, whole: int, shown: str) -> None:
    assert share(part, whole).replace("\N{NO-BREAK SPACE}", " ") == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (5300, "88 min"), (5400, "1 h 30 min")],
)
def test_lengths_of_time_are_as_coarse_as_one_says_them(seconds: float, shown: str) -> None:
    assert duration(seconds).replace("\N{NO-BREAK SPACE}", " ") == shown


def test_shapes_read_as_products() -> None:
    assert shape((1, 3, 8)) == "1 \N{MULTIPLICATION SIGN} 3 \N{MULTIPLICATION SIGN} 8"
