"""`chunkport attack-watermark` as a user types it: tables, limits, exit codes, refusals."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from scripts._watermarks import drawn_scenes
from train.picture_files import seed_of
from train.scenes import render_scene
from verify.attacks import ATTACKS

if TYPE_CHECKING:
    import subprocess

Run = Callable[..., "subprocess.CompletedProcess[str]"]
MESSAGE = "deadbeef"  # what the checkpoint `saying` reads
FEW = ("--count", "2", "--clean", "3")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures of several sizes and modes."""
    made = tmp_path / "pictures"
    made.mkdir()
    rng = np.random.default_rng(0)
    for name, shape in {"a.png": (30, 50, 3), "b.jpg": (64, 33, 3), "c.png": (40, 40, 4)}.items():
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(made / name)
    return made


@pytest.fixture(scope="module")
def converted(tinyseal_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """TinySeal with made weights, in float and in 8 bits."""
    from convert.pipeline import convert_checkpoint

    folder = tmp_path_factory.mktemp("converted")
    conversion = convert_checkpoint(
        tinyseal_checkpoint, "tinyseal", ["fp32", "int8-dynamic"], folder, isolated=False
    )
    return [file.path for file in conversion.files]


@pytest.mark.integration
def test_every_attack_is_read_by_pytorch_and_by_every_file(
    run_here: Run, tinyseal_checkpoint: Path, converted: list[Path]
) -> None:
    asked = ("--max-accuracy-loss", "1", "--format", "json")
    done = run_here("attack-watermark", tinyseal_checkpoint, *converted, *FEW, *asked)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout, parse_constant=pytest.fail)
    readers = ["PyTorch", "fp32", "int8-dynamic"]
    assert [row["name"] for row in document["readers"]] == readers
    rows = document["attacks"]
    assert [(row["attack"], row["reader"]) for row in rows] == [
        (attack.name, reader) for attack in ATTACKS for reader in readers
    ]
    exact = [row for row in rows if row["reader"] != "int8-dynamic"]
    assert {row["bits_unlike_reference"] for row in exact} == {0}
    assert all(row["pictures"] == 2 and row["meaning"] for row in rows)
    assert document["mark"]["psnr_mean_db"] == pytest.approx(38.5, abs=0.3)
    assert [row["reader"] for row in document["clean"]] == readers
    assert {row["pictures"] for row in document["clean"]} == {3}
    assert [check["name"] for check in document["checks"]] == [
        "accuracy_loss fp32",
        "accuracy_loss int8-dynamic",
        *(f"false_positives {reader}" for reader in readers),
    ]
    assert "warnings" not in document


def test_a_limit_that_is_missed_fails_by_name(run_here: Run, tinyseal_checkpoint: Path) -> None:
    limits = ("--min-bit-accuracy", "jpeg-50=0.95", "--min-bit-accuracy", "none=0.1")
    done = run_here("attack-watermark", tinyseal_checkpoint, *FEW, *limits)
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines()[-1] == "FAILED: bit_accuracy jpeg-50 PyTorch"
    for attack in ATTACKS:
        assert f"  {attack.name} " in done.stdout
    assert "The marks: PSNR 38." in done.stdout


def test_a_folder_is_marked_picture_by_picture(
    run_here: Run, tinyseal_checkpoint: Path, folder: Path
) -> None:
    asked = ("--pictures", folder, "--clean", "4", "--format", "json")
    done = run_here("attack-watermark", tinyseal_checkpoint, *asked)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    assert document["mark"]["pictures"] == document["attacks"][0]["pictures"] == 3
    assert document["clean"][0]["pictures"] == 4
    again = run_here("attack-watermark", tinyseal_checkpoint, *asked)
    assert again.stdout == done.stdout


def test_pictures_marked_elsewhere_need_no_embedder(
    run_here: Run, saying: Path, folder: Path, tmp_path: Path
) -> None:
    alone = tmp_path / "alone.pth"
    run_here("extract-detector-weights", saying, "-o", alone)
    asked = ("--pictures", folder, "--clean", "0", "--format", "json")
    done = run_here("attack-watermark", alone, *asked, "--message", MESSAGE)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    assert document["mark"] is None
    assert {row["bit_accuracy"] for row in document["attacks"]} == {1}
    assert {row["detected"] for row in document["attacks"]} == {1}
    shown = run_here("attack-watermark", alone, *asked[:4], "--message", MESSAGE)
    assert shown.stdout.splitlines()[-1].startswith("Nothing was checked: no limit was given")
    without = run_here("attack-watermark", alone, *asked)
    assert without.returncode == 5
    assert "alone.pth: holds no watermark embedder" in without.stderr


@pytest.mark.integration
def test_a_file_of_another_checkpoint_is_warned_of(
    run_here: Run, saying: Path, converted: list[Path]
) -> None:
    done = run_here("attack-watermark", saying, converted[0], "--count", "1", "--clean", "0")
    assert done.returncode == 0, done.stderr
    assert "fp32: its card names another checkpoint than" in done.stderr


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--min-bit-accuracy", "jpeg-55=0.9"), "unknown attack 'jpeg-55'; attacks: none, jpeg-90"),
        (("--min-bit-accuracy", "jpeg-50"), "'jpeg-50' is no ATTACK=VALUE such as jpeg-50=0.95"),
        (("--min-bit-accuracy", "jpeg-50=nan"), "'jpeg-50=nan' is no ATTACK=VALUE"),
        (("--message", MESSAGE), "name them with --pictures"),
        (("--pictures", "absent"), "absent: is no folder; name one with pictures"),
        (("--false-positive-rate", "1e-12"), "a message of 32 bits cannot be told from chance"),
        (("a.tflite", "x/../a.tflite"), "a .tflite is named twice"),
        (("--false-positive-rate", "nan"), "'nan' is no number"),
        (("--max-accuracy-loss", "nan"), "'nan' is no number"),
        (("--max-accuracy-loss", "0.1"), "compares with PyTorch; name a .tflite to compare"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_a_line(
    run_here: Run, saying: Path, flags: tuple[str, ...], said: str
) -> None:
    done = run_here("attack-watermark", saying, *flags)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_drawn_pictures_are_none_that_training_draws() -> None:
    trained_on = {render_scene(seed_of(0, number), 192).tobytes() for number in range(5)}
    attacked = {pixels.tobytes() for pixels in drawn_scenes(5, 0)}
    assert len(attacked) == 5
    assert not trained_on & attacked
