"""`chunkport score-images` as a user types it: folders, generators, what is refused."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from checkpoints import save_model_chunked
from networks.fruit_classifier import FruitCNN, classifier_values
from networks.gan import Generator
from networks.quality.damage import noisy
from networks.quality.figures import FIGURES
from train.fruits import render_fruit

if TYPE_CHECKING:
    import subprocess

Run = Callable[..., "subprocess.CompletedProcess[str]"]
EACH = 36


def write(folder: Path, pictures: "list[np.typing.NDArray[np.uint8]]") -> Path:
    folder.mkdir(parents=True)
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{number:03d}.png")
    return folder


@pytest.fixture(scope="module")
def apples() -> "list[np.typing.NDArray[np.uint8]]":
    return [render_fruit("Apple", 1 << 20 | number) for number in range(EACH)]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """72 pictures as CLASS/*.png."""
    folder = tmp_path_factory.mktemp("real") / "fruit"
    for kind in ("Apple", "Banana"):
        write(folder / kind, [render_fruit(kind, number) for number in range(EACH)])
    return folder


@pytest.fixture(scope="module")
def generator(
    tmp_path_factory: pytest.TempPathFactory, make_generator: Callable[..., Generator]
) -> Path:
    path = tmp_path_factory.mktemp("generator") / "tiny.pth"
    state = make_generator(seed=0, width=2, noise_dim=8).state_dict()
    return save_model_chunked({"generator_state_dict": state}, path).path


def judged(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_folders_and_generators_stand_side_by_side(
    run_here: Run,
    real: Path,
    generator: Path,
    apples: "list[np.typing.NDArray[np.uint8]]",
    tmp_path: Path,
) -> None:
    good = write(tmp_path / "good", apples)
    Image.fromarray(np.zeros((512, 512), np.uint8)).save(good / "grid_64.png")
    spoilt = write(tmp_path / "spoilt", [noisy(one[None, None], 0)[0, 0] for one in apples])
    asked = ("--data-dir", real, "--count", "32", "--worst", "copies", "--format", "json")
    done = run_here("score-images", good, spoilt, generator, *asked)
    document = judged(done)
    of_good, of_spoilt, of_tiny = document["sources"]
    assert [it["name"] for it in document["sources"]] == ["good", "spoilt", "tiny.pth"]
    assert document["count"] == of_good["count"] == document["floor"]["count"] == 32
    assert abs(document["floor"]["kid"]) < of_good["kid"] < of_spoilt["kid"] < of_tiny["kid"]
    assert of_good["class_shares"]["Apple"] == 1
    assert of_good["class_distance"] == pytest.approx(0.5, abs=0.15)
    assert document["classifier_accuracy"] == 1
    assert list(document["ceilings"]) == ["noise", "blur", "one class", "untrained"]
    assert [row["name"] for row in document["figures"]] == [figure.name for figure in FIGURES]
    assert {row["picture"][-4:] for row in document["nearest_pairs"]} > {".png"}
    for sheet in document["worst"]:
        assert Image.open(tmp_path / sheet).size[0] > 8 * 128
    again = run_here("score-images", good, *asked)
    assert again.returncode == 2
    assert "good_copies.png: already there; add --force" in again.stderr


def test_the_tables_say_what_is_better_and_the_next_step_runs(
    run_here: Run, real: Path, tmp_path: Path
) -> None:
    copies = write(
        tmp_path / "copies of real",
        [np.asarray(Image.open(it)) for it in sorted(real.rglob("*.png"))],
    )
    done = run_here("score-images", copies, "--data-dir", real, "--count", "32")
    assert done.returncode == 0, done.stderr
    for figure in FIGURES:
        (line, *_) = (
            line for line in done.stdout.splitlines() if figure.name.replace("_", " ") in line
        )
        assert figure.better in line
    assert " held out" in done.stdout
    assert "FID and coverage of 32 pictures tell more of chance" in done.stderr
    next_step = shlex.split(done.stdout.splitlines()[-1].removeprefix("Next: chunkport "))
    assert next_step[-2:] == ["--worst", "copies"]
    assert run_here(*next_step).returncode == 0


def test_fruit_is_drawn_as_it_was_for_training(run_here: Run, apples: Any, tmp_path: Path) -> None:
    mine = write(tmp_path / "mine", apples)
    asked = ("--profile", "demo", "--fruit", "Apple", "--count", "32", "--format", "json")
    document = judged(run_here("score-images", mine, *asked))
    assert document["training_pictures"] == 500
    assert document["real"] == "drawn fruit (Apple), as train-gan draws it from seed 0"
    assert document["sources"][0]["kid_lowest"] < 0.1
    assert document["real_class_shares"]["Apple"] == 1
    assert "one class" not in document["ceilings"]


def test_pictures_without_classes_and_others_held_out(
    run_here: Run, apples: Any, tmp_path: Path
) -> None:
    flat, held_out = (
        write(tmp_path / name, apples[::step]) for name, step in (("a", 1), ("b", -1))
    )
    asked = ("--data-dir", flat, "--held-out-dir", held_out, "--count", "32")
    (flat / "damaged.png").write_text("no picture")
    done = run_here("score-images", held_out, *asked, "--format", "json")
    assert done.returncode == 5
    assert "damaged.png: cannot be read as an image" in done.stderr
    done = run_here("score-images", held_out, *asked, "--skip-bad-files", "--format", "json")
    document = judged(done)
    assert any("left out" in it and "damaged.png" in it for it in document["warnings"])
    assert any("36 of the 36 held-out pictures are among" in it for it in document["warnings"])
    assert document["classifier_accuracy"] is None
    assert document["training_pictures"] == EACH
    assert document["sources"][0]["copied"] == 1
    assert "have no classes" in done.stderr


def test_a_classifier_that_does_not_know_the_pictures_says_nothing_of_them(
    run_here: Run, real: Path, tmp_path: Path
) -> None:
    classes = ("Apple", "Banana")
    own = save_model_chunked(classifier_values(FruitCNN(2, 2), classes), tmp_path / "own.pth").path
    asked = ("--data-dir", real, "--count", "32", "--classifier", own, "--format", "json")
    done = run_here("score-images", real, *asked)
    document = judged(done)
    assert document["classes_refused"] in document["warnings"]
    assert "which knows Apple, Banana, is right about" in document["classes_refused"]
    assert document["sources"][0]["class_shares"] is None


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        (("empty", "--data-dir", "REAL"), (2, "empty: holds neither pictures nor a generator")),
        (("absent.pth", "--data-dir", "REAL"), (5, "absent.pth")),
        (("empty", "--held-out-dir", "empty"), (2, "--held-out-dir needs --data-dir")),
        (("REAL", "--data-dir", "empty"), (2, "empty: no pictures")),
        (("REAL", "--fruit", "Kiwi"), (2, "Kiwi: no such fruit; choose one of Apple")),
    ],
)
def test_what_cannot_be_is_refused(
    run_here: Run, tmp_path: Path, real: Path, arguments: tuple[str, ...], refusal: tuple[int, str]
) -> None:
    (tmp_path / "empty").mkdir()
    done = run_here("score-images", *(word.replace("REAL", str(real)) for word in arguments))
    assert done.returncode == refusal[0], done.stderr
    assert refusal[1] in done.stderr


@pytest.mark.integration
def test_float_and_int8_stand_beside_their_checkpoint(
    run_here: Run, real: Path, generator_checkpoint: Path, generator_tflites: dict[str, Path]
) -> None:
    files = (generator_checkpoint, generator_tflites["fp32"], generator_tflites["int8-dynamic"])
    asked = ("--data-dir", real, "--count", "32", "--format", "json")
    one, same, integers = judged(run_here("score-images", *files, *asked))["sources"]
    assert same["kid"] == pytest.approx(one["kid"], rel=0.01)
    assert integers["kid"] == pytest.approx(one["kid"], rel=0.3)
