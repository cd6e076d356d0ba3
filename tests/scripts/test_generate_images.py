"""`chunkport generate-images` as a user types it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
import torch
from PIL import Image

from checkpoints import load_model_chunked, save_model_chunked
from networks.gan import Generator
from train.fruits import FRUITS

Run = Callable[..., CompletedProcess[str]]
Save = Callable[[Generator, Path], Path]
Make = Callable[..., Generator]
FEW = ("--num", "2", "--grid", "4")


@pytest.fixture
def models(tmp_path: Path, make_generator: Make, save_generator: Save) -> Path:
    """What training leaves: the latest and the final generator, in chunks."""
    folder = tmp_path / "models"
    folder.mkdir()
    save_generator(make_generator(seed=0), folder / "latest_model.pth")
    save_generator(make_generator(seed=1), folder / "final_gan.pth")
    return folder


def pictures(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.png")}


def test_without_a_name_it_draws_with_the_best_that_is_there(
    run_here: Run, models: Path, make_generator: Make, tmp_path: Path
) -> None:
    done = run_here("generate-images", *FEW)
    assert done.returncode == 0, done.stderr
    assert "Drawing with models/final_gan.pth; --model names another." in done.stderr
    assert done.stdout.splitlines()[:3] == [
        "Drawn by models/final_gan.pth from seed 0",
        "Pictures: generated_images/sample_000.png to sample_001.png",
        "Grid: generated_images/grid_4.png",
    ]
    assert "Next: chunkport convert models/final_gan.pth --model gan-generator" in done.stdout
    folder = tmp_path / "generated_images"
    assert sorted(pictures(folder)) == ["grid_4.png", "sample_000.png", "sample_001.png"]
    assert Image.open(folder / "sample_000.png").size == (128, 128)
    assert Image.open(folder / "grid_4.png").size == (256, 256)
    save_model_chunked(make_generator(seed=2).state_dict(), models / "best_model.safetensors")
    best = run_here("generate-images", *FEW, "-o", "of_best")
    assert "Drawn by models/best_model.safetensors from seed 0" in best.stdout
    assert pictures(tmp_path / "of_best") != pictures(folder)


def test_the_next_step_converts_the_weights_of_an_inference_folder(
    run_here: Run, make_generator: Make, tmp_path: Path
) -> None:
    weights = tmp_path / "inference" / "full_model.pth"
    weights.parent.mkdir()
    save_model_chunked({"generator_state_dict": make_generator(seed=0).state_dict()}, weights)
    done = run_here("generate-images", *FEW, "--model", "inference")
    assert "Next: chunkport convert inference/full_model.pth --model gan-generator" in done.stdout


def test_where_there_is_no_model_it_says_what_to_do(
    run_here: Run, models: Path, tmp_path: Path
) -> None:
    kept = models / "checkpoint_epoch_010.pth"
    save_model_chunked(load_model_chunked(models / "final_gan.pth"), kept)
    for name in ("final_gan", "latest_model"):
        for part in models.glob(f"{name}.*"):
            part.unlink()
    done = run_here("generate-images")
    assert done.returncode == 2
    assert "models: has none of best_model.pth, final_gan.pth, latest_model.pth" in done.stderr
    assert f"there are models/{kept.name}" in done.stderr
    shutil.rmtree(models)
    done = run_here("generate-images")
    assert done.returncode == 2
    assert "train a generator with `chunkport train-gan`" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_published_place_stands_for_the_one_here(run_here: Run, models: Path) -> None:
    done = run_here("generate-images", *FEW, "--model", "GAN/models/latest_model.pth")
    assert done.returncode == 0, done.stderr
    assert "GAN/models/latest_model.pth: not there; drawing with models/latest_model" in done.stderr
    (models / "latest_model.pth").rename(models.parent / "mine.pth")
    for named in ("GAN/models/other.pth", "elsewhere/models/final_gan.pth"):
        done = run_here("generate-images", *FEW, "--model", named)
        assert done.returncode == 5
        assert named in done.stderr


@pytest.mark.usefixtures("models")
def test_the_seed_decides_every_byte_whatever_the_number(run_here: Run, tmp_path: Path) -> None:
    for number, folder in (("33", "many"), ("3", "few")):
        done = run_here("generate-images", "--num", number, "--grid", "0", "-o", folder)
        assert done.returncode == 0, done.stderr
    many, few = pictures(tmp_path / "many"), pictures(tmp_path / "few")
    assert len(many) == 33
    assert few.items() <= many.items()
    assert len(set(many.values())) == 33
    again = run_here("generate-images", "--num", "35", "--grid", "0", "-o", "few")
    assert again.returncode == 0, again.stderr  # the same, and more of them
    assert many.items() <= pictures(tmp_path / "few").items()
    other = run_here("generate-images", "--num", "3", "--grid", "0", "-o", "few", "--seed", "1")
    assert other.returncode == 2
    assert "few/sample_000.png: another picture is there already, and 2 more" in other.stderr
    forced = run_here(
        "generate-images", "--num", "3", "--grid", "0", "-o", "few", "--seed", "1", "--force"
    )
    assert forced.returncode == 0, forced.stderr
    assert "Warning: few/sample_003.png and on: 32 of an earlier run" in forced.stderr
    assert not few.items() & pictures(tmp_path / "few").items()


@pytest.mark.usefixtures("models")
def test_each_picture_gets_a_class(run_here: Run, tmp_path: Path) -> None:
    asked = ("generate-images", "--num", "5", "--grid", "0", "--classify")
    done = run_here(*asked, "--format", "json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout, parse_constant=pytest.fail)
    assert [row["class"] for row in document["classes"]] == list(FRUITS)
    assert sum(row["count"] for row in document["classes"]) == 5
    assert [row["path"] for row in document["pictures"]] == [
        f"generated_images/sample_00{number}.png" for number in range(5)
    ]
    assert all(0.2 <= row["confidence"] <= 1 for row in document["pictures"])
    assert not document["fruit_like"]  # from made weights
    assert "unlike any that FruitCNN was trained on" in document["warnings"][0]
    table = tmp_path / "generated_images" / "classification.json"
    kept = json.loads(table.read_text(encoding="utf-8"))
    assert kept.items() <= document.items()
    assert kept["pictures"] == document["pictures"]
    told = run_here(*asked)
    assert "5 pictures, as FruitCNN sees them" in told.stdout
    assert "Class of each: generated_images/classification.json" in told.stdout
    stale = run_here("generate-images", "--num", "5", "--grid", "0", "--seed", "1", "--force")
    assert "classification.json: is of an earlier run; give --classify" in stale.stderr
    alone = run_here("generate-images", "--classifier", "own.pth")
    assert alone.returncode == 2
    assert "give --classify too" in alone.stderr


def test_a_tflite_draws_what_its_checkpoint_draws(
    run_here: Run, generator_tflites: dict[str, Path], generator_checkpoint: Path, tmp_path: Path
) -> None:
    for model, folder in ((generator_tflites["fp32"], "file"), (generator_checkpoint, "torch")):
        done = run_here("generate-images", *FEW, "--model", model, "-o", folder)
        assert done.returncode == 0, done.stderr
    for name in ("sample_000.png", "sample_001.png", "grid_4.png"):
        drawn, expected = (
            np.asarray(Image.open(tmp_path / folder / name), int) for folder in ("file", "torch")
        )
        assert expected.std() > 1
        assert np.abs(drawn - expected).max() <= 1  # a rounding
    done = run_here("generate-images", *FEW, "--model", generator_tflites["fp32"], "-o", "file")
    assert f"Next: chunkport benchmark {generator_tflites['fp32']}" in done.stdout


def test_checkpoints_of_other_training_loops(
    run_here: Run, make_generator: Make, tmp_path: Path
) -> None:
    """A state dict by itself, and one among what a published loop saves beside it."""
    state = make_generator(seed=0, width=4, noise_dim=8).state_dict()
    torch.save(state, tmp_path / "bare.pth")
    torch.save(
        {
            "epoch": 45,
            "generator_state_dict": state,
            "optimizer_G_state_dict": {"state": {0: {"step": torch.tensor(1.0)}}},
            "noise_dim": 8,
            "avg_D_fake": np.mean([0.5, 0.546]),
        },
        tmp_path / "whole.pth",
    )
    save_model_chunked(state, tmp_path / "bare.safetensors")
    compiled = {f"_orig_mod.module.{name}": value for name, value in state.items()}
    torch.save({"generator_state_dict": compiled}, tmp_path / "compiled.pth")
    drawn = []
    for name in ("bare.pth", "whole.pth", "bare.safetensors", "compiled.pth"):
        done = run_here("generate-images", *FEW, "--model", name, "-o", name.replace(".", "_"))
        assert done.returncode == 0, done.stderr
        drawn.append(pictures(tmp_path / name.replace(".", "_")))
    assert drawn[0] == drawn[1] == drawn[2] == drawn[3]
