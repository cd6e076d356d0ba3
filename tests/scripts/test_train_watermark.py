"""`chunkport train-watermark`, as a user runs it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from checkpoints import load_model_chunked
from train.scenes import write_scenes

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
Run = Callable[..., CompletedProcess[str]]
SMALL = ("--profile", "demo", "--nbits", "4", "--image-size", "64", "--batch-size", "8")
IN_FEW_STEPS = ("--batch-size", "80")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    write_scenes(folder / "one", 30, 0, size=96)
    write_scenes(folder / "two", 10, 1, size=64)
    return folder


def test_it_says_what_it_leaves_and_what_to_do_next(
    run_chunkport: Run, pictures: Path, tmp_path: Path
) -> None:
    asked = ("train-watermark", *SMALL, "--data-dir", pictures)
    ended = run_chunkport(*asked, "--epochs", "2", "--format", "json")
    assert ended.returncode == 0, ended.stderr
    document = json.loads(ended.stdout, parse_constant=pytest.fail)
    assert document["checkpoint"] == "watermark/models/latest_model.pth"
    assert [sorted(row) for row in document["epochs"]] == [
        [
            "attacked_bit_accuracy", "bit_accuracy", "epoch", "loss", "presence_accuracy",
            "psnr_db", "training_bit_accuracy",
        ]
    ] * 2  # fmt: skip
    told = load_model_chunked(tmp_path / document["checkpoint"])["details"]["provenance"]
    assert told["command"] == (
        "chunkport train-watermark --profile demo --epochs 2 --batch-size 8 --nbits 4 "
        "--image-size 64"
    )
    assert told["data"] == pictures.name

    resumed = run_chunkport(*asked, "--epochs", "3", "--resume", document["checkpoint"])
    assert resumed.returncode == 0, resumed.stderr
    following = resumed.stdout.partition("Next: chunkport ")[2].split()
    converted = run_chunkport(*following)
    assert converted.returncode == 0, converted.stderr


def test_scenes_are_drawn_where_there_are_no_pictures(run_chunkport: Run, tmp_path: Path) -> None:
    ended = run_chunkport("train-watermark", *SMALL, "--epochs", "1", *IN_FEW_STEPS)
    assert ended.returncode == 0, ended.stderr
    assert len(list((tmp_path / "watermark" / "scenes").glob("*.png"))) == 800
    assert "Drawing 800 scenes into watermark/scenes." in ended.stderr


def test_interrupting_it_leaves_a_checkpoint_that_goes_on(
    run_chunkport: Run, pictures: Path, tmp_path: Path
) -> None:
    asked = ("train-watermark", *SMALL, "--data-dir", str(pictures), "-o", str(tmp_path))
    started = subprocess.Popen(
        [sys.executable, "-m", "scripts._cli", *asked, "--epochs", "500"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    index = tmp_path / "models" / "models_index.json"
    deadline = time.monotonic() + 120
    while not index.exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    started.send_signal(signal.SIGINT)
    _, said = started.communicate(timeout=60)
    assert started.returncode == 130, said
    assert "Traceback" not in said
    latest = tmp_path / "models" / "latest_model.pth"
    done = load_model_chunked(latest)["epoch"]
    more = run_chunkport(*asked, "--epochs", str(done + 1), "--resume", latest)
    assert more.returncode == 0, more.stderr
    assert load_model_chunked(latest)["epoch"] == done + 1


def test_scenes_of_another_run_are_not_trained_on_and_half_of_them_are_completed(
    run_chunkport: Run, tmp_path: Path
) -> None:
    asked = ("train-watermark", *SMALL, "--epochs", "1", *IN_FEW_STEPS)
    scenes = tmp_path / "watermark" / "scenes"
    write_scenes(scenes, 790, 3, size=80)
    refused = run_chunkport(*asked)
    assert refused.returncode == 2, refused.stderr
    assert "watermark/scenes: holds other pictures than the scenes of this run" in refused.stderr
    assert len(list(scenes.iterdir())) == 790
    ended = run_chunkport(*asked, "--seed", "3")
    assert ended.returncode == 0, ended.stderr
    assert "Drawing 10 scenes into watermark/scenes." in ended.stderr
    assert len(list(scenes.iterdir())) == 800


def test_its_own_samples_are_never_trained_on(run_chunkport: Run, pictures: Path) -> None:
    ended = run_chunkport("train-watermark", *SMALL, "--data-dir", pictures, folder=pictures)
    assert ended.returncode == 2, ended.stderr
    assert "so its samples would be trained on; choose another --output-dir" in ended.stderr
    assert not (pictures / "watermark").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--image-size", "50"), "images of 50 pixels a side have 1 left"),
        (("--nbits", "0"), "key args.nbits: expected an integer of at least 1"),
        (("--seed", "-1"), "seed: is -1; give at least 0"),
        (("--metric", "kid"), "'kid' is not one of 'attacked-bit-accuracy'"),
        (("--data-dir", "nowhere"), "nowhere: no such folder"),
    ],
)
def test_senseless_flags_are_refused_before_anything_is_done(
    run_here: Run, tmp_path: Path, flags: tuple[str, ...], message: str
) -> None:
    ended = run_here("train-watermark", *flags)
    assert ended.returncode == 2, ended.stderr
    assert message in ended.stderr
    assert list(tmp_path.iterdir()) == []
