"""Curves as paths: where they go, and what is said of them."""

import itertools
import math
import re

import pytest

from verify.report.plots import SIDE, draw_plot


def points(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", path)]


def test_a_curve_goes_from_the_left_to_the_right_at_the_height_of_its_values() -> None:
    plot = draw_plot("Answers", "probability", {"D(real)": [0.0, 0.25, 1.0]}, (0, 1))
    (curve,) = plot.curves
    assert points(curve.path) == [(0, SIDE), (SIDE / 2, 0.75 * SIDE), (SIDE, 0)]
    assert curve.path.count("M") == 1
    assert points(curve.dots) == points(curve.path)
    assert plot.marks == ("1", "0.8", "0.6", "0.4", "0.2", "0")


def test_the_scale_reaches_around_all_curves_in_equal_steps() -> None:
    plot = draw_plot("Losses", "nats", {"D": [1.31, 1.2], "G": [0.63, 0.9]})
    marks = [float(mark) for mark in plot.marks]
    assert marks[-1] <= 0.63
    assert marks[0] >= 1.31
    steps = [one - other for one, other in itertools.pairwise(marks)]
    assert steps == [pytest.approx(steps[0])] * len(steps)
    heights = [down for curve in plot.curves for _, down in points(curve.path)]
    assert all(0 <= down <= SIDE for down in heights)
    assert heights[2] == max(heights)


def test_infinities_leave_a_gap_and_what_was_not_measured_none() -> None:
    (curve,) = draw_plot("L", "nats", {"D": [1.0, math.inf, 2.0, math.nan, 3.0, 4.0]}).curves
    assert curve.path.count("M") == 2
    assert len(points(curve.path)) == 4
    assert "nan" not in curve.path + curve.dots


@pytest.mark.parametrize("row", [[2.0], [2.0, 2.0], [math.nan], [], [1e-30, 0.0], [1e30, -1e30]])
def test_runs_of_any_length_and_value_are_drawn(row: list[float]) -> None:
    plot = draw_plot("L", "nats", {"D": row})
    assert len(set(plot.marks)) == len(plot.marks) >= 2
    finite = sum(map(math.isfinite, row))
    assert len(points(plot.curves[0].path)) == finite
    assert all(0 <= x <= SIDE and 0 <= y <= SIDE for x, y in points(plot.curves[0].path))


def test_many_epochs_have_no_dots() -> None:
    assert draw_plot("L", "nats", {"D": [0.5] * 40}).curves[0].dots
    assert not draw_plot("L", "nats", {"D": [0.5] * 41}).curves[0].dots


def test_it_is_described_in_words() -> None:
    plot = draw_plot("Losses", "nats", {"D": [1.31, 1.2], "G": [0.63, 0.9]})
    expected = "Losses, nats, epochs 1 to 2: D from 1.31 to 1.2, G from 0.63 to 0.9"
    assert plot.description == expected
    assert [(curve.label, curve.now) for curve in plot.curves] == [("D", "1.2"), ("G", "0.9")]


def test_a_logarithmic_scale_gives_every_power_of_ten_as_much_room() -> None:
    row = [-0.005, 0.0, 0.01, 0.1, 10.0, 1000.0]
    plot = draw_plot("Distance", "KID", {"KID": row}, logarithmic=True)
    heights = [down for _, down in points(plot.curves[0].path)]
    steps = [one - other for one, other in itertools.pairwise(heights)]
    unit = steps[2]
    assert steps == [pytest.approx(unit * of, abs=0.2) for of in (0.5, 1, 1, 2, 2)]
    assert plot.marks == ("1000", "10", "0.1", "0", "-0.1")


def test_what_is_measured_only_now_and_then_has_its_dots() -> None:
    row = [math.nan if epoch % 10 else epoch / 100 for epoch in range(1, 101)] + [math.nan]
    plot = draw_plot("Distance", "KID", {"KID": row})
    assert len(points(plot.curves[0].dots)) == 10
    assert plot.curves[0].now == "1"
    assert plot.description.endswith("KID from 0.1 to 1")
