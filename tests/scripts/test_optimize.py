"""`chunkport optimize`, as a user runs it: what it ships, and what it says where nothing passes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

Run = Callable[..., CompletedProcess[str]]
ROOT = Path(__file__).resolve().parents[2]
FEW = ("--samples", "2", "--probes", "1", "--patience", "2", "--num-threads", "1")
MODEL = ("--model", "gan-generator")


def document_of(ended: CompletedProcess[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ended.stdout, parse_constant=pytest.fail)
    return found


@pytest.mark.integration
def test_the_file_passes_and_its_recipe_makes_it_again(
    run_chunkport: Run, generator_checkpoint: Path, tmp_path: Path
) -> None:
    asked = ("optimize", generator_checkpoint, *MODEL, *FEW, "-o", "out")
    ended = run_chunkport(*asked, "--format", "json")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    document = document_of(ended)
    shipped = tmp_path / "out" / "gan_generator_128_mixed.tflite"
    (verdict,) = document["files"]
    assert verdict["passed"]
    assert verdict["size_bytes"] == shipped.stat().st_size
    passing = [row for row in document["front"] if row["passed"]]
    assert shipped.stat().st_size <= min(row["size_bytes"] for row in passing)
    assert document["candidates"] > len(document["layers"]) == 17
    assert document["stopped"]

    recipe = tmp_path / "out" / "recipe.json"
    again = run_chunkport(
        "convert", generator_checkpoint, *MODEL, "--recipe", recipe, "-o", "again"
    )
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "again" / shipped.name).read_bytes() == shipped.read_bytes()

    front = json.loads((tmp_path / "out" / "front.json").read_text())
    assert len(front["candidates"]) >= len(document["front"]) > 4
    assert (tmp_path / "out" / "front.png").read_bytes().startswith(b"\x89PNG")

    refused = run_chunkport(*asked)
    assert refused.returncode == 2
    assert "--force" in refused.stderr
    repeated = run_chunkport(*asked, "--force")
    assert repeated.returncode == 0, repeated.stderr
    assert f"{document['candidates']} of them by an earlier run" in repeated.stdout
    assert "Next: chunkport verify" in repeated.stdout


@pytest.mark.integration
def test_killed_at_any_time_it_goes_on_from_there(
    run_chunkport: Run, generator_checkpoint: Path, tmp_path: Path
) -> None:
    asked = ["optimize", str(generator_checkpoint), *MODEL, *FEW, "-o", "out"]
    running = subprocess.Popen(
        [sys.executable, "-m", "scripts._cli", *asked],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    results = tmp_path / "out" / ".optimize" / "results"
    deadline = time.monotonic() + 300
    while len([*results.glob("[!.]*.json")]) < 3:
        assert running.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    running.send_signal(signal.SIGKILL)
    running.wait()
    kept = {path: path.read_bytes() for path in results.glob("[!.]*.json")}
    ended = run_chunkport(*asked, "--max-candidates", "8", "--format", "json")
    assert ended.returncode in {0, 1}, ended.stderr
    document = document_of(ended)
    assert document["candidates_reused"] >= 3
    assert document["stopped"] == "--max-candidates 8 is reached"
    assert all(path.read_bytes() == content for path, content in kept.items())


@pytest.mark.integration
def test_where_nothing_is_small_enough_the_nearest_is_told(
    run_chunkport: Run, generator_checkpoint: Path, tmp_path: Path
) -> None:
    asked = ("optimize", generator_checkpoint, *MODEL, *FEW, "--max-candidates", "4", "-o", "out")
    ended = run_chunkport(*asked, "--max-size", "0.01x", "--format", "json")
    assert ended.returncode == 1, ended.stderr
    document = document_of(ended)
    assert document["passed"] is False
    assert any("--max-size allows" in miss for miss in document["nearest_miss"]["misses"])
    assert not (tmp_path / "out" / "gan_generator_128_mixed.tflite").exists()

    limits = ("--limit", "psnr_db=500", "--min-psnr", "38")
    twice = run_chunkport(*asked, *limits)
    assert twice.returncode == 2
    assert "psnr_db" in twice.stderr
    ended = run_chunkport(*asked, "--min-psnr", "500", "--force")
    assert ended.returncode == 1, ended.stderr
    assert "FAILED: nothing passes" in ended.stdout
    assert "psnr_db is" in ended.stdout


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--max-size", "small"), "0.18x"),
        (("--min-bit-accuracy", "0.99"), "has no row bit_accuracy_none"),
        (("--limit", "psnr=40"), "did you mean 'psnr_db'"),
        (("--for", "beauty"), "latency"),
    ],
)
def test_what_cannot_be_asked_is_told_before_the_work(
    run_here: Run, generator_checkpoint: Path, tmp_path: Path, flags: tuple[str, ...], said: str
) -> None:
    ended = run_here("optimize", generator_checkpoint, *MODEL, *flags, "-o", "out")
    assert ended.returncode == 2
    assert said in ended.stderr
    assert not (tmp_path / "out" / ".optimize").exists()
