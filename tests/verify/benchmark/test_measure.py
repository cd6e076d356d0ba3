"""Contenders are compared at like numbers of threads; what cannot run is told, not left out."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from verify.benchmark.as_json import form_rows, sgemm_rows, timing_rows
from verify.benchmark.contenders import EAGER, Contender, Original, contender_of, in_runtime
from verify.benchmark.machine import SGEMM_FLOP
from verify.benchmark.measure import Benchmark, Form, Measured, measure
from verify.benchmark.memory import Footprint
from verify.benchmark.timing import Times
from verify.reference import compute_reference
from verify.runtimes import LITERT, find_runtime
from verify.weight_map import weights_by_module

if TYPE_CHECKING:
    from tests.verify.conftest import HandMade

MODEL = "gan-generator"


@pytest.fixture(scope="module")
def benchmark(
    generator_checkpoint: Path,
    generator_tflites: dict[str, Path],
    hand_made: "type[HandMade]",
    tmp_path_factory: pytest.TempPathFactory,
) -> Benchmark:
    """PyTorch, three files, one that does not run, one run elsewhere and one never made."""
    broken = hand_made(
        {"x": (1, 5), "w": np.ones((3, 4), np.float32), "y": (1, 3)},  # 5 values for rows of 4
        [("FULLY_CONNECTED", ["x", "w"], "y")],
    ).write(tmp_path_factory.mktemp("broken") / "broken.tflite")
    reference = compute_reference(MODEL, generator_checkpoint, 4, seed=0)
    return measure(
        Original(MODEL, generator_checkpoint, reference.inputs[0]),
        [
            *(contender_of(path) for path in generator_tflites.values()),
            Contender("broken", LITERT, "fp32", "plain", broken),
            in_runtime(contender_of(generator_tflites["fp32"]), find_runtime("litert-builtin")),
            Contender("never made", LITERT, "int8-dynamic", "plain", reason="it was refused"),
        ],
        reference,
        threads=[1, 2],
        rounds=2,
        with_memory=False,
    )


@pytest.mark.integration
def test_every_contender_has_a_row_for_each_number_of_threads(benchmark: Benchmark) -> None:
    rows = timing_rows(benchmark)
    assert len(rows) == 2 * 7
    assert [row["num_threads"] for row in rows] == [1] * 7 + [2] * 7
    for row in rows:
        if row["name"] in {"broken", "never made"}:
            assert row["latency_p50_ms"] is None
            assert row["gflop_per_s"] is None
        else:
            assert 0 < row["latency_min_ms"] <= row["latency_p50_ms"] <= row["latency_p90_ms"]
            assert row["reason"] is None
    reasons = {row["name"]: row["reason"] for row in rows if row["reason"]}
    assert reasons["never made"] == "it was refused"
    assert reasons["broken"].startswith("it does not run: ")


@pytest.mark.integration
def test_speeds_are_ratios_at_the_same_number_of_threads(benchmark: Benchmark) -> None:
    rows = timing_rows(benchmark)
    sgemm = {row["num_threads"]: row["gflop_per_s"] for row in sgemm_rows(benchmark)}
    eager = {row["num_threads"]: row for row in rows if row["runtime"] == "pytorch"}
    for row, measured in zip(rows, benchmark.rows, strict=True):
        if row["latency_p50_ms"] is None:
            continue
        like = eager[row["num_threads"]]
        ratio = like["latency_p50_ms"] / row["latency_p50_ms"]
        assert row["speed_vs_pytorch"] == pytest.approx(ratio)
        assert row["speed_vs_plain"] is None  # no plain file ran
        assert measured.form.flop is not None
        speed = measured.form.flop / row["latency_min_ms"] / 1e6
        assert row["gflop_per_s"] == pytest.approx(speed)
        assert row["share_of_sgemm"] == pytest.approx(speed / sgemm[row["num_threads"]])


@pytest.mark.integration
def test_a_form_tells_of_its_ops_and_bytes(
    benchmark: Benchmark, generator_tflites: dict[str, Path]
) -> None:
    forms = {form["name"]: form for form in form_rows(benchmark)}
    assert forms["PyTorch eager"]["ops"] is None
    elsewhere = forms["gan_generator_128_fp32 in litert-builtin"]
    assert (elsewhere["runtime"], elsewhere["ops_on_xnnpack"]) == ("litert-builtin", None)
    assert elsewhere["gflop"] == forms["gan_generator_128_fp32.tflite"]["gflop"]
    assert forms["broken"]["bytes_by_op_kind"] == {"FULLY_CONNECTED": 48}
    for path in generator_tflites.values():
        form = forms[path.name]
        assert form["size_bytes"] == path.stat().st_size
        assert form["share_of_ops_on_xnnpack"] == form["share_of_gflop_on_xnnpack"] == 1
        assert form["psnr_db"] > 20
        rest = sum(form["bytes_of_the_rest"].values())
        assert sum(form["bytes_by_op_kind"].values()) + rest == form["size_bytes"]
        assert sum(form["bytes_by_module"].values()) + rest == form["size_bytes"]
        assert weights_by_module(path).by_op_kind() == form["bytes_by_op_kind"]


def timed(*seconds: float) -> Times:
    return Times(tuple((value,) * 3 for value in seconds))


def test_noise_is_the_usual_spread_between_rounds() -> None:
    form = Form(EAGER, 1, 1, None, None, Footprint())
    steady, unsteady = timed(1, 1, 1, 1), timed(1, 1.1, 2, 3)
    busy = Benchmark((form,), (Measured(form, 1, unsteady),), {1: steady, 2: unsteady})
    assert busy.noise == unsteady.spread
    assert busy.noisy
    quiet = Benchmark((form,), (Measured(form, 1, steady),), {1: steady, 2: unsteady})
    assert (quiet.noise, quiet.noisy) == (0, False)
    assert not Benchmark((form,), (Measured(form, 1, steady),), {1: steady}).noisy
    assert Benchmark((form,), (), {1: timed(1)}).noise is None


def test_the_machines_speed_is_that_of_its_fastest_product() -> None:
    found = Benchmark((), (), {2: timed(0.01, 0.02)})
    assert found.sgemm_gflop_per_s(2) == pytest.approx(SGEMM_FLOP / 0.01 / 1e9)
