"""The tables fit a terminal, say what they leave out, and warn of a busy machine."""

from pathlib import Path

import pytest

from scripts._benchmark_tables import coverage, show_measured
from scripts._output import Output
from verify.benchmark.as_json import form_rows
from verify.benchmark.contenders import EAGER, ONNX_RUNTIME, Contender
from verify.benchmark.measure import Benchmark, Form, Measured
from verify.benchmark.memory import Footprint, MemoryUse
from verify.benchmark.timing import Times
from verify.runtimes import LITERT

_USED = MemoryUse(153_560_000, 133_640_000, 653.6)


def form(name: str, precision: str, variant: str = "rewritten", runtime: str = LITERT) -> Form:
    item = Contender(name, runtime, precision, variant)
    cached = MemoryUse(19_940_000, 185_770_000, 305.4)
    return Form(item, 133_640_000, 12_320_000_000, 58.9, None, Footprint(_USED, _USED, cached, 9))


def measured(*names: str, rounds: tuple[float, ...] = (0.2738, 0.2738)) -> Benchmark:
    precisions = ("fp32", "int8-dynamic", "fp16")
    forms = (
        Form(EAGER, 133_490_000, 12_320_000_000, None, None, Footprint(_USED)),
        *(form(name, precision) for name, precision in zip(names, precisions, strict=False)),
        form("plain int8-dynamic", "int8-dynamic", "plain"),
        Form(
            Contender("ONNX Runtime", ONNX_RUNTIME, "fp32", "network", reason="not installed"),
            *(None, None, None, None, Footprint(reason="not installed")),
        ),
    )
    times = Times(tuple((seconds,) * 3 for seconds in rounds))
    rows = tuple(
        Measured(item, threads, None, reason="not installed")
        if item.contender.reason
        else Measured(item, threads, times, 19.91, 2.71, 163.9, 1.04)
        for threads in (1, 2)
        for item in forms
    )
    return Benchmark(forms, rows, {1: times, 2: times})


def shown(
    capsys: pytest.CaptureFixture[str], benchmark: Benchmark, *given: str
) -> tuple[list[str], str]:
    show_measured(Output("benchmark"), benchmark, form_rows(benchmark), given)
    said = capsys.readouterr()
    return [line.rstrip() for line in said.out.splitlines()], said.err


def test_the_tables_fit_a_terminal_for_files_that_their_precision_tells_apart(
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = ("videoseal-1.0_detector_256_fp32.tflite", "videoseal-1.0_int8_dynamic.tflite")
    lines, _ = shown(capsys, measured(*names))
    assert max(map(len, lines)) <= 100
    starts = [line.split()[0] for line in lines if line]
    assert starts.count("fp32") == 4  # two numbers of threads, ops, memory
    assert not any("videoseal" in line for line in lines)


def test_files_of_one_precision_keep_their_names(capsys: pytest.CaptureFixture[str]) -> None:
    forms = (form("a.tflite", "fp32"), form("b.tflite", "fp32"))
    times = Times(((0.1,), (0.1,)))
    rows = tuple(Measured(item, 1, times) for item in forms)
    lines, _ = shown(capsys, Benchmark(forms, rows, {1: times}))
    assert [line.split()[0] for line in lines if line.startswith(("  a ", "  b "))] == [
        "a",
        "b",
    ] * 3


def test_what_is_missing_and_a_busy_machine_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    _, quiet = shown(capsys, measured("a.tflite"))
    assert quiet == "Warning: ONNX Runtime: not installed\n"
    _, busy = shown(capsys, measured("a.tflite", rounds=(0.1, 0.1, 0.2, 0.3)))
    assert "the machine was busy: between rounds, the same work took " in busy
    assert "some rounds took" not in shown(capsys, measured("a.tflite", rounds=(0.1, 0.12)))[1]
    assert "PyTorch eager, a.tflite, plain int8-dynamic: some rounds took over twice" in busy


@pytest.mark.integration
def test_bytes_are_shown_of_the_files_that_were_given(
    capsys: pytest.CaptureFixture[str], generator_tflites: dict[str, Path]
) -> None:
    path = generator_tflites["fp32"]
    item = Contender("whole.tflite", LITERT, "fp32", "rewritten", path)
    size = path.stat().st_size
    times = Times(((0.1,),))
    whole = Form(item, size, 1, None, None, Footprint())
    benchmark = Benchmark((whole,), (Measured(whole, 1, times),), {1: times})
    lines, _ = shown(capsys, benchmark, "whole.tflite")
    assert sum(f"{size / 1e3:,.1f} kB" in line for line in lines) == 2
    assert any(line.split()[0] == "fc" for line in lines if line)
    assert not any(line.startswith("Memory") for line in lines)  # none was measured


@pytest.mark.parametrize(
    ("share", "text"), [(1, "100%"), (0.9999, "99.9%"), (0.5, "50%"), (None, "-")]
)
def test_only_all_is_100_percent(share: float | None, text: str) -> None:
    assert coverage(share) == text
