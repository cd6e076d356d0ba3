"""`chunkport train-gan`, as a user runs it."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess, Popen

import pytest
import torch
from PIL import Image

from checkpoints import load_model_chunked, save_model_chunked
from train.fruits import write_fruit_images
from train.gan_evaluation import EVALUATION_KEYS
from train.gan_step import STEP_KEYS

pytestmark = pytest.mark.integration

_LINES = re.MULTILINE
Run = Callable[..., CompletedProcess[str]]
ROOT = Path(__file__).resolve().parents[2]
SMALL = ("--batch-size", "4", "--width", "2", "--noise-dim", "8", "--data-dir")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    write_fruit_images(folder, 10, 0, lambda _done, _total: None, classes=("Pear",))
    return folder


def test_it_says_what_it_leaves(run_chunkport: Run, pictures: Path, tmp_path: Path) -> None:
    asked = (*SMALL, pictures, "--epochs", "2", "--save_every", "1", "--save-every-steps", "1")
    ended = run_chunkport(
        "train-gan", *asked, "--metric", "g_loss", "--background-save", "--format", "json"
    )
    assert ended.returncode == 0, ended.stderr
    document = json.loads(ended.stdout, parse_constant=pytest.fail)
    assert document["checkpoint"] == "models/latest_model.pth"
    assert document["best_checkpoint"] == "models/best_model.pth"
    assert len(document["inference_folders"]) == 2
    assert all(
        (tmp_path / folder / "README.md").is_file() for folder in document["inference_folders"]
    )
    assert document["curves"] == "training_history.png"
    with Image.open(tmp_path / document["curves"]) as picture:
        assert picture.format == "PNG"
    measured = (key.lower() for key in (*STEP_KEYS, *EVALUATION_KEYS))
    assert [row.keys() for row in document["epochs"]] == [{"epoch", *measured}] * 2
    assert document["page"] == "training.html"
    assert "All 2 epochs are trained" in (tmp_path / document["page"]).read_text()
    lines = (tmp_path / "stats.jsonl").read_text().splitlines()
    assert [json.loads(line)["G_loss"] for line in lines] == [
        row["g_loss"] for row in document["epochs"]
    ]
    index = json.loads((tmp_path / "models" / "models_index.json").read_text())
    assert [model["file"] for model in index["models"]] == [
        "best_model.pth",
        "checkpoint_epoch_001.pth",
        "checkpoint_epoch_002.pth",
        *(f"checkpoint_step_{step}.pth" for step in (1, 2, 3, 4) if step in steps_in(index)),
        "final_gan.pth",
        "latest_model.pth",
    ]
    assert len(steps_in(index)) == 3
    assert load_model_chunked(tmp_path / document["checkpoint"])["epoch"] == 2

    resumed = (*SMALL, pictures, "--resume", "models/latest_model.pth", "--epochs")
    changed = run_chunkport("train-gan", *resumed, "3", "--seed", "7")
    assert changed.returncode == 2
    assert "latest_model.pth: seed 0 became 7; resume with the values of that run" in changed.stderr
    ended = run_chunkport("train-gan", *resumed, "3")
    assert ended.returncode == 0, ended.stderr
    assert "model_v1.1_final" in ended.stdout
    assert "Curves: training_history.png" in ended.stdout
    assert re.search(r"^Epoch 3/3\n  D_loss: [\d.]+ \| G_loss: [\d.]+\n", ended.stderr, _LINES)
    assert re.search(r"^  D\(real\): 0\.\d+ \| D\(fake\): 0\.\d+ \| KID: ", ended.stderr, _LINES)
    assert "  [SAVED] Generated images to training_progress/epoch_003.png" in ended.stderr
    assert re.search(r"^Signs of success: .+\. Signs of failure: .+\.$", ended.stdout, _LINES)
    told = json.loads((tmp_path / "models" / "latest_metadata.json").read_text())
    assert {"epoch", "noise_dim", "avg_D_loss", "avg_G_loss", "avg_D_fake", "timestamp"} <= {*told}
    assert isinstance(told["metrics"]["kid"], float)


def test_two_processes_speak_and_write_as_one_and_are_interrupted_together(
    start_together: Callable[..., list[Popen[str]]],
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    latest = tmp_path / "models" / "latest_model.pth"
    asked = ("-m", "scripts._cli", "train-gan", *SMALL, pictures, "--device", "cpu")
    both = start_together(*asked, "--epochs", "5000")
    deadline = time.monotonic() + 120
    while not latest.exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    for process in both:
        process.send_signal(signal.SIGINT)
    for process in both:
        _, said = process.communicate(timeout=60)
        assert "Traceback" not in said
        # The one that hears of it later may find the other gone.
        assert process.returncode in {130, 3}, said

    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")  # as `accelerate launch` tells it
    done = load_model_chunked(latest)["epoch"]
    resumed = ("--resume", latest, "--epochs", str(done + 1), "--format", "json")
    (out, said), silent = (it.communicate(timeout=120) for it in start_together(*asked, *resumed))
    assert "Training on 10 pictures" in said
    document = json.loads(out)
    assert document["epochs"][-1]["epoch"] == done + 1
    assert "bf16 was asked of the launcher, and the training computes in no" in str(
        document["warnings"]
    )
    assert silent == ("", "")
    assert load_model_chunked(latest)["epoch"] == done + 1


def steps_in(index: dict[str, list[dict[str, object]]]) -> set[object]:
    return {model["step"] for model in index["models"] if model["kind"] == "step"}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--metric", "fid"), "'fid' is not one of 'kid', 'd-fake', 'd-loss', 'g-loss'"),
        (("--mode", "max"), "'max' of a distance makes the worst the best"),
        (("--save-every", "0"), "'--save-every': 0 is not in the range x>=1"),
        (("--save-every-steps", "0"), "'--save-every-steps': 0 is not"),
        (("--keep-top-k", "0"), "'--keep-top-k': 0 is not"),
        (("--max-chunk-mb", "0"), "max_chunk_mb: 0.0 is too small"),
        (("--device", "cuda:99"), "there is no 'cuda:99' here; choose one of auto, cpu"),
        (("--accumulate", "3"), "batch_size: 64 images do not fall into equal parts"),
    ],
)
def test_senseless_flags_are_refused_before_anything_is_done(
    run_here: Run, tmp_path: Path, flags: tuple[str, ...], message: str
) -> None:
    ended = run_here("train-gan", *flags)
    assert ended.returncode == 2
    assert message in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_already_is_warned_of(run_here: Run, tmp_path: Path) -> None:
    """Pictures that are trained on in place of this run's own, and a run that is replaced."""
    write_fruit_images(tmp_path / "preprocessed_images", 2, 7, classes=("Pear",))
    latest = tmp_path / "models" / "latest_model.pth"
    latest.parent.mkdir()
    facts = {"epoch": 40, "global_step": 80, "checkpoint_type": "latest"}
    save_model_chunked({**facts, "weight": torch.zeros(2)}, latest, announce=lambda _line: None)
    ended = run_here(
        "train-gan", "--profile", "demo", "--device", "cpu", "--mixed-precision", "fp16"
    )
    assert ended.returncode == 2, ended.stderr  # fp16 needs a GPU, which is seen after all that
    assert "preprocessed_images holds other pictures than the 1000 that this run" in ended.stderr
    assert "Training on 2 pictures from preprocessed_images" in ended.stderr
    assert "latest_model.pth holds 40 epochs of another run, which this new one" in ended.stderr


def test_ctrl_c_leaves_models_for_use_and_says_how_to_go_on(
    run_chunkport: Run, pictures: Path, tmp_path: Path
) -> None:
    started = subprocess.Popen(
        [sys.executable, "-m", "scripts._cli", "train-gan", *SMALL, str(pictures)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    models = tmp_path / "models"
    deadline = time.monotonic() + 120
    while not (models / "models_index.json").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    started.send_signal(signal.SIGINT)
    _, said = started.communicate(timeout=60)
    assert started.returncode == 130, said
    assert "Traceback" not in said
    saved = sorted(path for path in models.glob("*.pth") if ".chunk_" not in path.name)
    assert {"best_model.pth", "latest_model.pth"} <= {path.name for path in saved}
    for path in saved:
        assert load_model_chunked(path)["generator_state_dict"]
    done = load_model_chunked(models / "latest_model.pth")["epoch"]
    assert f"holds the state after epoch {done} of 100" in said
    (line,) = re.findall(r"^Go on with: chunkport (.+)$", said, _LINES)
    assert line.endswith("--resume models/latest_model.pth")
    more = run_chunkport(*shlex.split(line), "--epochs", str(done + 1))
    assert more.returncode == 0, more.stderr
    assert load_model_chunked(models / "latest_model.pth")["epoch"] == done + 1
