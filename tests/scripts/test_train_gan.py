"""`chunkport train-gan`, as a user runs it."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from PIL import Image

from checkpoints import load_model_chunked
from train.fruits import write_fruit_images

pytestmark = pytest.mark.integration

Run = Callable[..., CompletedProcess[str]]
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
    assert document["curves"] == "training_progress/curves.png"
    with Image.open(tmp_path / document["curves"]) as picture:
        assert picture.format == "PNG"
    assert [sorted(row) for row in document["epochs"]] == [
        ["d_fake", "d_loss", "d_real", "epoch", "g_loss"]
    ] * 2
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
    assert "Curves: training_progress/curves.png" in ended.stdout


def steps_in(index: dict[str, list[dict[str, object]]]) -> set[object]:
    return {model["step"] for model in index["models"] if model["kind"] == "step"}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--metric", "kid"), "'kid' is not one of 'd-fake', 'd-loss', 'g-loss'"),
        (("--mode", "max"), "'max' of a distance makes the worst the best"),
        (("--save-every", "0"), "'--save-every': 0 is not in the range x>=1"),
        (("--save-every-steps", "0"), "'--save-every-steps': 0 is not"),
        (("--keep-top-k", "0"), "'--keep-top-k': 0 is not"),
        (("--max-chunk-mb", "0"), "max_chunk_mb: 0.0 is too small"),
    ],
)
def test_senseless_flags_are_refused_before_anything_is_done(
    run_here: Run, tmp_path: Path, flags: tuple[str, ...], message: str
) -> None:
    ended = run_here("train-gan", *flags)
    assert ended.returncode == 2
    assert message in ended.stderr
    assert list(tmp_path.iterdir()) == []
