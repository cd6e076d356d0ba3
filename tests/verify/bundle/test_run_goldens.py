"""The script that travels with a bundle, run as whoever gets it runs it: alone."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from verify import metrics
from verify.bundle import run_goldens


def _run(folder: Path) -> subprocess.CompletedProcess[str]:
    """The bundle's own script, with no chunkport on its path."""
    return subprocess.run(
        [sys.executable, "-I", folder / "run_goldens.py"],
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        cwd=folder.parent,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copied(generator_bundle: Path, tmp_path: Path) -> Path:
    return shutil.copytree(generator_bundle, tmp_path / "bundle")


@pytest.mark.parametrize("name", run_goldens.METRICS)
def test_its_metrics_are_those_of_the_verdict(name: str) -> None:
    """Over several goldens, one of them much fainter than the others."""
    rng = np.random.default_rng(3)
    strengths = np.array([[1.0], [3.0], [0.1]])
    expected = (strengths * rng.standard_normal((3, 33))).astype(np.float32)
    found = (expected + 0.3 * rng.standard_normal((3, 33))).astype(np.float32)
    scales = {
        "span": 2.0,
        "largest": float(np.abs(expected).max()),
        "norm": float(np.sqrt(np.square(expected.astype(float)).sum(axis=1).mean())),
        "bits_rms": float(np.sqrt(np.square(expected[:, 1:].astype(float)).mean())),
    }
    each = [
        run_goldens.METRICS[name](one.astype(float), other.astype(float), scales)
        for one, other in zip(expected, found, strict=True)
    ]
    worst = min if name == "worst_psnr_db" else max
    over_all = run_goldens.OVER_ALL.get(name)
    value = over_all(np.array(each)) if over_all else worst(each)
    wanted = metrics.METRICS[name].measure(expected, found, 2.0)
    assert value == pytest.approx(wanted, rel=1e-6)


@pytest.mark.integration
def test_it_needs_no_chunkport() -> None:
    source = Path(run_goldens.__file__).read_text(encoding="utf-8")
    imported = {line.split()[1].split(".")[0] for line in source.splitlines() if "import " in line}
    assert not imported & {"verify", "wrappers", "convert", "chunkport", "torch"}


@pytest.mark.integration
def test_a_bundle_passes(copied: Path) -> None:
    ended = _run(copied)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == "PASS: 6 comparisons"


@pytest.mark.integration
def test_pictures_pass_through_their_preparation(detector_bundle: Path) -> None:
    ended = _run(detector_bundle)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.count("picture to tensor") == 4


@pytest.mark.integration
def test_another_model_fails_by_what_it_computes_and_by_its_digest(
    copied: Path, generator_tflites: dict[str, Path]
) -> None:
    model = copied / json.loads((copied / "goldens/index.json").read_text())["model"]["file"]
    shutil.copyfile(generator_tflites["int8-dynamic"], model)
    ended = _run(copied)
    assert ended.returncode == 1
    failed = [line.split()[1:3] for line in ended.stdout.splitlines() if line.startswith("FAIL ")]
    assert ["model", "sha256"] in failed
    assert ["sample_1", "max_abs_difference"] in failed


@pytest.mark.integration
def test_one_wrong_byte_of_the_weights_fails(copied: Path) -> None:
    (model,) = copied.glob("*.tflite")
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    ended = _run(copied)
    assert ended.returncode == 1
    assert "FAIL  model" in ended.stdout


@pytest.mark.integration
def test_a_model_that_does_not_open_fails(copied: Path) -> None:
    (model,) = copied.glob("*.tflite")
    model.write_bytes(model.read_bytes()[:1000])
    ended = _run(copied)
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr


@pytest.mark.integration
def test_a_changed_golden_fails(copied: Path) -> None:
    path = copied / "goldens" / "sample_2.image.f32"
    values = np.fromfile(path, dtype="<f4")
    values[5] += 0.01
    values.tofile(path)
    ended = _run(copied)
    assert ended.returncode == 1
    failed = [line.split()[1:3] for line in ended.stdout.splitlines() if line.startswith("FAIL ")]
    assert ["sample_2", "max_abs_difference"] in failed
    assert not any(golden == "sample_1" for golden, _ in failed)


@pytest.mark.integration
@pytest.mark.parametrize("missing", ["goldens/index.json", "goldens/sample_1.image.f32"])
def test_half_a_bundle_is_told_so(copied: Path, missing: str) -> None:
    (copied / missing).unlink()
    ended = _run(copied)
    assert ended.returncode == 1
    assert "is no whole bundle" in ended.stderr
    assert "Traceback" not in ended.stderr
