"""`chunkport bundle` as a user types it: what it leaves, what it refuses, its exit codes."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from networks.gan import Generator
from verify.runtimes import programs

Run = Callable[..., subprocess.CompletedProcess[str]]
SAMPLE = Path(__file__).parents[2] / "samples" / "tinyseal" / "full_model.pth"


def test_a_folder_of_ones_own_is_not_replaced(run_here: Run, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "holiday.txt").write_text("mine")
    refused = run_here("bundle", "m.tflite", "-o", tmp_path / "mine")
    assert refused.returncode == 2
    assert "already there; add --force to replace" in refused.stderr
    forced = run_here("bundle", "m.tflite", "-o", tmp_path / "mine", "--force")
    assert forced.returncode == 2
    assert "is no bundle, and is not replaced" in forced.stderr
    assert (tmp_path / "mine" / "holiday.txt").read_text() == "mine"


def test_what_is_no_model_is_refused(run_here: Run, tmp_path: Path) -> None:
    (tmp_path / "m.tflite").write_bytes(b"no model")
    done = run_here("bundle", "m.tflite", "-o", "out")
    assert done.returncode == 5
    assert "is not a .tflite file" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.integration
def test_a_generator_becomes_a_folder_whose_script_passes(
    run_chunkport: Run,
    generator_checkpoint: Path,
    generator_tflites: dict[str, Path],
    litert_js: Path,
    tmp_path: Path,
) -> None:
    flags = ["--checkpoint", generator_checkpoint, "--goldens", 1, "-o", tmp_path / "out"]
    env = {programs.LITERT_JS_VARIABLE: str(litert_js)}
    command = ["bundle", generator_tflites["fp16"], *flags]
    done = run_chunkport(*command, "--format", "json", env=env)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert document["size_bytes"] == sum(path.stat().st_size for path in files)
    assert document["passed"] is True
    assert document["litert_js"].count(".") == 2
    assert {row["check"] for row in document["checks"]} >= {"sha256", "worst_psnr_db"}
    assert document["next"] == f"python -m http.server --directory {tmp_path / 'out'}"
    script: list[str | Path] = [sys.executable, tmp_path / "out" / "run_goldens.py"]
    assert subprocess.run(script, capture_output=True, check=False).returncode == 0
    again = run_chunkport(*command, "--force", env=env)
    assert again.returncode == 0, again.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.integration
def test_a_model_of_other_weights_fails_and_leaves_nothing(
    run_chunkport: Run,
    make_generator: Callable[..., Generator],
    save_generator: Callable[[Generator, Path], Path],
    generator_tflites: dict[str, Path],
    tmp_path: Path,
) -> None:
    other = save_generator(make_generator(seed=1), tmp_path / "other.pth")
    flags = ["--checkpoint", other, "-o", tmp_path / "out", "--no-page"]
    done = run_chunkport("bundle", generator_tflites["fp32"], *flags)
    assert done.returncode == 1, done.stderr
    assert "nothing is written" in done.stdout
    assert "its card names another checkpoint" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.integration
def test_a_generator_takes_no_pictures(
    run_chunkport: Run, generator_tflites: dict[str, Path], tmp_path: Path
) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    flags = ["--picture", tmp_path / "a.png", "-o", tmp_path / "out"]
    done = run_chunkport("bundle", generator_tflites["fp32"], *flags)
    assert done.returncode == 2
    assert "takes no pictures; leave out --picture" in done.stderr


@pytest.mark.integration
def test_without_litert_js_it_exits_3_and_leaves_nothing(
    run_here: Run,
    generator_tflites: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(programs.LITERT_JS_VARIABLE, raising=False)
    monkeypatch.setattr(programs, "_node_modules", lambda: iter([tmp_path]))
    monkeypatch.setattr(programs, "_shared_node_modules", lambda: None)
    done = run_here("bundle", generator_tflites["fp32"], "-o", "out")
    assert done.returncode == 3
    assert "npm install @litertjs/core" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.integration
def test_a_detectors_pictures_are_marked_where_the_checkpoint_can_and_ones_own_are_kept(
    run_chunkport: Run, tinyseal_tflite: Path, tmp_path: Path
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (90, 70, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "mine.jpg")
    flags = ["--checkpoint", SAMPLE, "--picture", tmp_path / "mine.jpg", "--goldens", 1]
    done = run_chunkport("bundle", tinyseal_tflite, *flags, "-o", tmp_path / "out", "--no-page")
    assert done.returncode == 0, done.stdout + done.stderr
    index = json.loads((tmp_path / "out" / "goldens" / "index.json").read_text())
    titles = [golden["title"] for golden in index["goldens"]]
    assert len(titles) == 1 + 4 + 1
    assert titles[-1] == "mine.jpg"
    own_size = index["goldens"][1]
    assert own_size["message"]["hex"] == own_size["hidden"]
    with (
        Image.open(tmp_path / "mine.jpg") as photo,
        Image.open(tmp_path / "out" / index["goldens"][-1]["picture"]) as kept,
    ):
        assert np.array_equal(np.asarray(photo), np.asarray(kept))
