"""`chunkport audit` as it is typed."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

Run = Callable[..., CompletedProcess[str]]

SAMPLE = Path(__file__).parents[2] / "samples" / "tinyseal" / "full_model.pth"

pytestmark = pytest.mark.integration


def test_a_file_that_gpus_compute_rightly_passes(
    run_here: Run, generator_tflites: dict[str, Path], generator_checkpoint: Path
) -> None:
    ended = run_here(
        "audit", generator_tflites["fp32"], "--checkpoint", generator_checkpoint, "--no-delegate"
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "NOTHING FOUND" in ended.stdout
    assert "psnr_db" in ended.stdout
    assert "not asked for" in ended.stdout


def test_an_int8_file_is_held_to_what_int8_may_lose_and_nothing_that_does_not_exist_is_suggested(
    run_here: Run, generator_tflites: dict[str, Path]
) -> None:
    """Rounding to float16 moves its 8-bit activations by whole steps, which int8's limits allow."""
    ended = run_here("audit", generator_tflites["int8-dynamic"], "--no-delegate")
    assert ended.returncode == 0, ended.stdout
    assert "--target gpu" not in ended.stdout


def test_strict_wants_every_part(run_here: Run, generator_tflites: dict[str, Path]) -> None:
    ended = run_here("audit", generator_tflites["fp32"], "--no-delegate", "--strict")
    assert ended.returncode == 3


def test_a_trained_detector_loses_bits_on_a_gpu_until_it_is_built_for_one(
    run_here: Run, tinyseal_tflites: dict[str, Path], tmp_path: Path
) -> None:
    """TinySeal's head squares values beyond 255; its own training never met float16."""
    ended = run_here("audit", tinyseal_tflites["fp32"], "--no-delegate")
    assert ended.returncode == 1
    assert "Next: chunkport convert CHECKPOINT --model tinyseal --target gpu" in ended.stdout
    assert "detector.head.norm" in ended.stdout
    said = " ".join(ended.stdout.split())  # the table breaks lines
    assert "sum of squares over 192 terms" in said

    made = run_here("convert", SAMPLE, "--model", "tinyseal", "-o", tmp_path, "--target", "gpu")
    assert made.returncode == 0, made.stderr
    built = tmp_path / "tinyseal_detector_128_gpu_fp32.tflite"
    ended = run_here("audit", built, "--no-delegate", "--format", "json", "--checkpoint", SAMPLE)
    assert ended.returncode == 0, ended.stdout
    (file,) = json.loads(ended.stdout)["files"]
    assert file["findings"] == []
    (checks,) = file["float16"].values()
    worth = {check["name"]: check["value"] for check in checks}
    assert worth["relative_l2"] < 0.002
    ended = run_here("verify", built, "--checkpoint", SAMPLE, "--samples", "4")
    assert ended.returncode == 0, ended.stdout


def test_what_is_no_tflite_is_refused(run_here: Run, tmp_path: Path) -> None:
    (tmp_path / "a.tflite").write_bytes(b"nothing of the kind")
    ended = run_here("audit", tmp_path / "a.tflite")
    assert ended.returncode == 5
    assert "is not a .tflite file" in ended.stderr
