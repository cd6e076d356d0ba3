"""`chunkport train-classifier`, as a user runs it."""

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
from PIL import Image

from checkpoints import load_model_chunked
from train.fruits import write_fruit_images

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
Run = Callable[..., CompletedProcess[str]]
SMALL = ("--width", "4", "--batch-size", "8")


@pytest.fixture(scope="module")
def fruit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fruit")
    write_fruit_images(folder, 20, 0, classes=("Banana", "Strawberry"))
    return folder


def test_it_says_how_good_it_became_and_what_it_leaves(
    run_chunkport: Run, fruit: Path, tmp_path: Path
) -> None:
    asked = ("train-classifier", *SMALL, "--data-dir", fruit)
    ended = run_chunkport(*asked, "--epochs", "2", "--format", "json")
    assert ended.returncode == 0, ended.stderr
    document = json.loads(ended.stdout, parse_constant=pytest.fail)
    assert document["checkpoint"] == "classifier/models/latest_model.pth"
    assert [sorted(row) for row in document["epochs"]] == [
        ["accuracy", "epoch", "held_out_loss", "loss", "training_accuracy"]
    ] * 2
    rows = document["confusion"]
    assert [row["true_class"] for row in rows] == ["Banana", "Strawberry"]
    right = sum(row[row["true_class"]] for row in rows)
    judged = sum(row["Banana"] + row["Strawberry"] for row in rows)
    assert 0 < judged < 20  # the held-out ones alone
    assert document["accuracy"] == pytest.approx(right / judged)
    with Image.open(tmp_path / "classifier/training_progress/confusion_matrix.png") as image:
        image.verify()
    told = load_model_chunked(tmp_path / document["checkpoint"])["details"]["provenance"]
    assert told["command"] == (
        "chunkport train-classifier --epochs 2 --batch-size 8 --width 4 --seed 0"
    )
    assert told["data"] == fruit.name

    resumed = run_chunkport(*asked, "--epochs", "3", "--resume", document["checkpoint"])
    assert resumed.returncode == 0, resumed.stderr
    assert load_model_chunked(tmp_path / document["checkpoint"])["epoch"] == 3
    following = resumed.stdout.partition("Next: chunkport ")[2].split()
    assert run_chunkport(*following).returncode == 0


def test_a_poor_one_is_warned_of(run_here: Run, fruit: Path) -> None:
    ended = run_here("train-classifier", *SMALL, "--data-dir", fruit, "--epochs", "1")
    assert ended.returncode == 0, ended.stderr
    assert "is below 95%: its features say too little to judge generators by" in ended.stderr


def test_interrupting_it_leaves_a_checkpoint_that_goes_on(
    run_chunkport: Run, fruit: Path, tmp_path: Path
) -> None:
    asked = ("train-classifier", *SMALL, "--data-dir", str(fruit), "-o", str(tmp_path))
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


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--width", "0"), "width: is 0; give at least 1"),
        (("--seed", "-1"), "seed: is -1; give at least 0"),
        (("--metric", "kid"), "'kid' is not one of 'held-out-loss'"),
        (("--data-dir", "nowhere"), "nowhere: no such folder"),
    ],
)
def test_senseless_flags_are_refused_before_anything_is_done(
    run_here: Run, tmp_path: Path, flags: tuple[str, ...], message: str
) -> None:
    ended = run_here("train-classifier", *flags)
    assert ended.returncode == 2, ended.stderr
    assert message in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_pictures_of_another_run_are_not_trained_on(run_here: Run, tmp_path: Path) -> None:
    write_fruit_images(tmp_path / "classifier" / "preprocessed_images", 2, 7)
    ended = run_here("train-classifier", *SMALL)
    assert ended.returncode == 2, ended.stderr
    assert "holds other pictures than the fruit of this run" in ended.stderr


def test_one_kind_alone_is_refused(run_here: Run, tmp_path: Path) -> None:
    write_fruit_images(tmp_path / "fruit", 4, 0, classes=("Pear",))
    ended = run_here("train-classifier", "--data-dir", "fruit")
    assert ended.returncode == 2, ended.stderr
    assert "classes: Pear; give pictures of at least 2" in ended.stderr


def test_its_own_pictures_are_never_trained_on(run_here: Run, tmp_path: Path) -> None:
    write_fruit_images(tmp_path / "fruit", 2, 0)
    ended = run_here("train-classifier", "--data-dir", "fruit", "-o", "fruit/out")
    assert ended.returncode == 2, ended.stderr
    assert "so its samples would be trained on; choose another --output-dir" in ended.stderr
    assert not (tmp_path / "fruit" / "out").exists()
