"""Training on a folder of fruit photographs, as a user has it."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from PIL import Image, ImageOps

from checkpoints import load_model_chunked
from train.fruits import render_fruit

pytestmark = pytest.mark.integration

Run = Callable[..., CompletedProcess[str]]
GAN = ("train-gan", "--epochs", "1", "--batch-size", "4", "--width", "2", "--noise-dim", "8")
COLOURS = {
    "Apple Braeburn": ("Apple", "crimson"),
    "Apple Golden 1": ("Apple", "gold"),
    "Banana Lady Finger": ("Banana", "yellow"),
    "Orange": ("Orange", "orange"),
    "Pear Williams": ("Pear", "yellowgreen"),
    "Strawberry Wedge": ("Strawberry", "red"),
    "Tomato Cherry Orange": ("Orange", "tomato"),
}


@pytest.fixture
def fruits_360(tmp_path: Path) -> Path:
    """Colour JPEGs of 100x100 on white: four of each kind to train on, and two held out."""
    folder = tmp_path / "fruits-360"
    for kind, (fruit, colour) in COLOURS.items():
        for half, seeds in (("Training", range(4)), ("Test", range(4, 6))):
            (folder / half / kind).mkdir(parents=True)
            for seed in seeds:
                gray = Image.fromarray(render_fruit(fruit, seed)).resize((100, 100))
                photo = ImageOps.colorize(gray, "black", "white", colour)
                photo.save(folder / half / kind / f"{seed}_100.jpg")
    return folder


def test_the_gan_trains_on_photographs_by_fruit(
    run_here: Run, fruits_360: Path, tmp_path: Path
) -> None:
    ended = run_here(*GAN, "--data-dir", fruits_360)
    assert ended.returncode == 0, ended.stderr
    assert "Gathered by fruit: Apple of Apple Braeburn, Apple Golden 1; Banana of" in ended.stderr
    assert "Left out: Tomato Cherry Orange. --no-group-by-fruit keeps all apart." in ended.stderr
    assert "Not trained on: Test (12 pictures)." in ended.stderr
    assert f"Training on 24 pictures from {fruits_360}, 1 epochs." in ended.stderr
    assert load_model_chunked(tmp_path / "models" / "latest_model.pth")["epoch"] == 1


def test_the_gan_needs_no_kinds_and_can_go_on_without_what_is_damaged(
    run_here: Run, fruits_360: Path
) -> None:
    flat = fruits_360 / "Training" / "Orange"
    damaged = flat / "0_100.jpg"
    damaged.write_bytes(damaged.read_bytes()[:300])
    asked = (*GAN, "--data-dir", flat)
    refused = run_here(*asked)
    assert refused.returncode == 5, refused.stderr
    assert f"{damaged}: cannot be read as an image" in refused.stderr
    assert "remove or replace it, or leave out all such files by --skip-bad-files" in refused.stderr
    ended = run_here(*asked, "--skip-bad-files", "--batch-size", "3", "--format", "json")
    assert ended.returncode == 0, ended.stderr
    said = [line for line in json.loads(ended.stdout)["warnings"] if "left out" in line]
    assert len(said) == 1
    assert said[0].startswith(f"left out {damaged}: cannot be read as an image")
    assert "Training on 3 pictures" in ended.stderr


def test_the_classifier_is_judged_by_what_the_folder_holds_out(
    run_here: Run, fruits_360: Path
) -> None:
    asked = ("train-classifier", "--epochs", "1", "--width", "2", "--batch-size", "8")
    ended = run_here(*asked, "--data-dir", fruits_360, "--format", "json")
    assert ended.returncode == 0, ended.stderr
    assert "Training on 24 pictures" in ended.stderr
    assert "12 held out" in ended.stderr
    rows = json.loads(ended.stdout)["confusion"]
    fruits = ["Apple", "Banana", "Orange", "Pear", "Strawberry"]
    assert [row["true_class"] for row in rows] == fruits
    assert [sum(row[fruit] for fruit in fruits) for row in rows] == [4, 2, 2, 2, 2]
    ended = run_here(*asked, "--data-dir", fruits_360 / "Test" / "Orange")
    assert ended.returncode == 2, ended.stdout
    assert "its pictures stand in no folders of their kinds" in ended.stderr


def test_its_own_output_is_never_trained_on(run_here: Run, fruits_360: Path) -> None:
    ended = run_here(*GAN, "--data-dir", fruits_360, "-o", fruits_360)
    assert ended.returncode == 2, ended.stderr
    assert "so its samples would be trained on; choose another --output-dir" in ended.stderr
