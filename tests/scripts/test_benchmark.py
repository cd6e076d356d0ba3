import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from PIL import Image

from verify.benchmark_document import read_benchmark

Run = Callable[..., CompletedProcess[str]]


@pytest.mark.parametrize("flag", ["--output", "--plots"])
def test_what_is_there_is_kept(run_here: Run, tmp_path: Path, flag: str) -> None:
    there = tmp_path / "latency.png"
    there.write_text("mine", encoding="utf-8")
    given = there if flag == "--output" else tmp_path
    done = run_here("benchmark", "a.tflite", "--checkpoint", "m.pth", flag, given)
    assert done.returncode == 2
    assert "latency.png: already there; add --force to replace" in done.stderr
    assert there.read_text(encoding="utf-8") == "mine"


def test_a_file_is_named_once(run_here: Run) -> None:
    done = run_here("benchmark", "a.tflite", "a.tflite", "--checkpoint", "m.pth")
    assert done.returncode == 2
    assert "a.tflite: named twice" in done.stderr


@pytest.mark.integration
def test_everything_is_measured_and_kept(
    run_chunkport: Run,
    generator_checkpoint: Path,
    generator_tflites: dict[str, Path],
    tmp_path: Path,
) -> None:
    path = generator_tflites["int8-dynamic"]
    flags = ["--rounds", 1, "--samples", 2, "--num-threads", 1, "--num-threads", 2]
    target, plots = tmp_path / "benchmark.json", tmp_path / "plots"
    done = run_chunkport(
        *("benchmark", path, "--checkpoint", generator_checkpoint, *flags),
        *("-o", target, "--plots", plots),
    )
    assert done.returncode == 0, done.stderr
    assert "Speed on 1 thread, measured in turn; sgemm reaches " in done.stdout
    assert f"--benchmark {target}" in done.stdout
    found = read_benchmark(target)
    names = ["PyTorch eager", path.name, "ONNX Runtime", "plain int8-dynamic"]
    assert [form.name for form in found.forms] == names
    assert len(found.rows) == 2 * len(found.forms)
    for form in found.forms:
        if form.runtime == "litert":
            assert form.figures["share_of_ops_on_xnnpack"] == 1
            assert form.figures["weight_cache_bytes"]
            assert (form.figures["file_backed_bytes"] or 0) >= (form.figures["size_bytes"] or 0)
    plain = [row for row in found.rows if row.variant == "plain"]
    assert [row.figures["speed_vs_plain"] for row in plain] == [1, 1]
    for path in plots.iterdir():
        with Image.open(path) as picture:
            picture.verify()


@pytest.mark.integration
def test_what_is_left_out_is_not_measured_and_json_says_the_same(
    run_chunkport: Run, generator_checkpoint: Path, generator_tflites: dict[str, Path]
) -> None:
    done = run_chunkport(
        *("benchmark", generator_tflites["fp32"], "--checkpoint", generator_checkpoint),
        *("--rounds", 2, "--samples", 2, "--num-threads", 1, "--format", "json"),
        *("--no-plain", "--no-onnx", "--no-memory"),
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["schema_version"] == 2
    assert document["num_threads"] == [1]
    assert [row["name"] for row in document["contenders"]] == [
        "PyTorch eager",
        generator_tflites["fp32"].name,
    ]
    assert {form["anonymous_bytes"] for form in document["forms"]} == {None}
    assert document["sgemm"][0]["gflop_per_s"] > 0
