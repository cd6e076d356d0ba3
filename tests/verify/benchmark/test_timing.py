"""Turns are taken in rotation, warmed up, and what differs between rounds is told apart."""

import pytest

from verify.benchmark.timing import Times, interleave, quantile, take_turns


def test_every_round_gives_each_a_turn_in_rotating_order() -> None:
    calls: list[str] = []
    turns: list[int] = []
    times = interleave(
        {name: lambda name=name: calls.append(name) for name in "abc"},  # type: ignore[misc] # mypy cannot infer a lambda with a default
        rounds=3,
        on_turn=lambda: turns.append(len(calls)),
    )
    order = [calls[end - 1] for end in turns]
    assert order == ["a", "b", "c", "b", "c", "a", "c", "a", "b"]
    for name in "abc":
        assert len(times[name].rounds) == 3
        # two of each turn warm up and are not counted
        assert calls.count(name) == len(times[name].seconds) + 3 * 2


def test_long_runs_are_timed_few_times_and_short_ones_often() -> None:
    import time

    times = interleave({"long": lambda: time.sleep(0.03), "short": lambda: None}, rounds=1)
    assert len(times["long"].seconds) == 3
    assert len(times["short"].seconds) == 20
    assert times["long"].min_ms >= 30


def test_the_figures_are_those_of_all_runs() -> None:
    times = Times(((0.001, 0.002, 0.003), (0.004, 0.005)))
    assert (times.p50_ms, times.min_ms) == (3, 1)
    assert times.p90_ms == pytest.approx(4.6)


def test_the_spread_is_between_rounds_not_within_them() -> None:
    uneven = (1.0, 2.0, 9.0)
    assert Times((uneven,) * 11).spread == 0
    drifting = Times(tuple((float(seconds),) * 3 for seconds in range(1, 12)))
    assert drifting.spread == pytest.approx((10 - 2) / 6)
    assert Times((uneven,)).spread is None


@pytest.mark.parametrize(("share", "value"), [(0, 1), (0.5, 2.5), (1, 4), (0.9, 3.7)])
def test_a_quantile_lies_between_its_neighbours(share: float, value: float) -> None:
    assert quantile([4, 1, 3, 2], share) == pytest.approx(value)


def test_what_has_a_clock_of_its_own_is_believed() -> None:
    asked: list[int] = []

    def still(runs: int) -> list[float]:
        asked.append(runs)
        return [0.0] * runs  # a clock that does not move during so short a run

    times = take_turns({"still": still}, rounds=2)
    assert asked == [2, 20, 2, 20]
    assert times["still"].min_ms == times["still"].p90_ms == 0.001
