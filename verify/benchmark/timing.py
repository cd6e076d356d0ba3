"""Times of several things taken in turn, so that a busy moment of the machine falls on all."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

Key = TypeVar("Key")
TimeRuns: TypeAlias = Callable[[int], Sequence[float]]  # so many runs to the seconds of each
_WARM_UPS = 2  # runs per turn that fill the caches again
_TURN_SECONDS = 0.05  # of timed runs per turn, within these bounds on their number
_FEWEST, _MOST = 3, 20
_TICK_SECONDS = 1e-6  # a short run takes at least this, though a browser's clock stand still
_PAUSE_SECONDS = 0.005  # lets the threads of the one before go to sleep


@dataclass(frozen=True)
class Times:
    """Seconds of every timed run, by round."""

    rounds: tuple[tuple[float, ...], ...]

    @property
    def seconds(self) -> list[float]:
        """Those of all rounds."""
        return [run for turn in self.rounds for run in turn]

    @property
    def p50_ms(self) -> float:
        """The median."""
        return statistics.median(self.seconds) * 1e3

    @property
    def p90_ms(self) -> float:
        """What nine runs in ten stay under."""
        return quantile(self.seconds, 0.9) * 1e3

    @property
    def min_ms(self) -> float:
        """The fastest run."""
        return min(self.seconds) * 1e3

    @property
    def spread(self) -> float | None:
        """How far the rounds are apart: from the 10th to the 90th percentile of their medians.

        As a share of the median of all runs; None for a single round. What differs between rounds
        is the machine, for the work is the same.
        """
        medians = [statistics.median(turn) for turn in self.rounds]
        if len(medians) == 1:
            return None
        width = quantile(medians, 0.9) - quantile(medians, 0.1)
        return width / statistics.median(self.seconds)


def quantile(values: Sequence[float], share: float) -> float:
    """The value that `share` of them stay under, between two neighbours in proportion."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def interleave(
    runs: Mapping[Key, Callable[[], object]],
    rounds: int,
    on_turn: Callable[[], None] = lambda: None,
) -> dict[Key, Times]:
    """Time every run: each round gives each a turn, warmed up, in rotating order."""
    return take_turns({item: by_our_clock(run) for item, run in runs.items()}, rounds, on_turn)


def take_turns(
    timers: Mapping[Key, TimeRuns],
    rounds: int,
    on_turn: Callable[[], None] = lambda: None,
) -> dict[Key, Times]:
    """As `interleave`, of what has a clock of its own."""
    turns: dict[Key, list[tuple[float, ...]]] = {item: [] for item in timers}
    order = list(timers)
    for _ in range(rounds):
        for item in order:
            time.sleep(_PAUSE_SECONDS)
            fastest = min(_ticked(timers[item](_WARM_UPS)))
            count = min(max(round(_TURN_SECONDS / fastest), _FEWEST), _MOST)
            turns[item].append(_ticked(timers[item](count)))
            on_turn()
        order.append(order.pop(0))
    return {item: Times(tuple(taken)) for item, taken in turns.items()}


def by_our_clock(run: Callable[[], object]) -> TimeRuns:
    """Times runs from here."""

    def time_runs(runs: int) -> list[float]:
        return [_seconds(run) for _ in range(runs)]

    return time_runs


def _ticked(seconds: Sequence[float]) -> tuple[float, ...]:
    return tuple(max(taken, _TICK_SECONDS) for taken in seconds)


def _seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started
