"""Latencies of judged files: measured where a file runs, and again where one seems too slow."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from verify import latency
from verify.benchmark.timing import Times, interleave
from verify.latency import measure_latencies, with_latencies
from verify.verdict import Verdict, yes_or_no


def verdict_of(path: Path, *, runs: bool) -> Verdict:
    return Verdict(
        path=path,
        model="gan-generator",
        precision="fp32",
        size_bytes=1,
        sha256="ab",
        samples=1,
        seed=0,
        checks=(yes_or_no("runs", "computes", None if runs else "it does not"),),
    )


def test_nothing_is_timed_where_no_file_runs() -> None:
    verdict = verdict_of(Path("broken.tflite"), runs=False)
    assert with_latencies([verdict], [{}], 1, {verdict.path: 1.0}) == [verdict]


@pytest.mark.integration
def test_files_that_run_are_timed_and_slow_ones_more_than_once(
    generator_tflites: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latency, "_ROUNDS", 1)
    path, other = generator_tflites["fp32"], generator_tflites["fp16"]
    sample = {"latent": np.zeros((1, 100), np.float32)}
    verdicts = [verdict_of(path, runs=True), verdict_of(other, runs=False)]
    timed, left = with_latencies(verdicts, [sample, sample], 1, {other: 1e-9})
    assert timed.latency_p50_ms is not None
    assert timed.latency_p50_ms > 0
    assert left.latency_p50_ms is None

    calls: list[int] = []

    def counted(runs: dict[Path, Callable[[], object]], rounds: int) -> dict[Path, Times]:
        calls.append(rounds)
        return interleave(runs, rounds)

    monkeypatch.setattr(latency, "interleave", counted)
    measure_latencies({path: sample}, 1, {path: 1e9})
    assert calls == [1]
    measure_latencies({path: sample}, 1, {path: 1e-9})
    assert calls == [1] * 4
