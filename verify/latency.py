"""What a run of each judged file takes: short, in turn, and again before anyone is blamed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from verify.benchmark.timing import interleave
from verify.runtimes.litert import LiteRtSession
from verify.verdict import Verdict

if TYPE_CHECKING:
    from wrappers.spec import Arrays

_ROUNDS = 5
_ATTEMPTS = 3


def with_latencies(
    verdicts: Sequence[Verdict],
    inputs: "Sequence[Arrays]",
    threads: int,
    bounds_ms: Mapping[Path, float],
) -> list[Verdict]:
    """Each verdict with the latency of its file on its input, where that runs."""
    pairs = zip(verdicts, inputs, strict=True)
    samples = {verdict.path: item for verdict, item in pairs if verdict.ran}
    bounds = {path: bound for path, bound in bounds_ms.items() if path in samples}
    found = measure_latencies(samples, threads, bounds)
    return [replace(verdict, latency_p50_ms=found.get(verdict.path)) for verdict in verdicts]


def measure_latencies(
    samples: "Mapping[Path, Arrays]", threads: int, bounds_ms: Mapping[Path, float]
) -> dict[Path, float]:
    """The median milliseconds of each file on its sample, all files in turn.

    A busy moment of the machine is no regression: where a file exceeds its bound, all are measured
    again, up to three times, and the least median counts.

    Raises:
        ValueError, RuntimeError: the runtime refuses a file.
    """
    if not samples:
        return {}
    sessions = {path: LiteRtSession(path, threads) for path in samples}
    runs: dict[Path, Callable[[], object]] = {
        path: session.prepared(samples[path]) for path, session in sessions.items()
    }
    least: dict[Path, float] = {}
    for _attempt in range(_ATTEMPTS):
        times = interleave(runs, _ROUNDS)
        for path, taken in times.items():
            least[path] = min(least.get(path, taken.p50_ms), taken.p50_ms)
        if all(least[path] <= bound for path, bound in bounds_ms.items()):
            break
    return least
