"""`chunkport train-gan-single-fruit`, as a user types it."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from checkpoints import load_model_chunked
from train.fruits import write_fruit_images

Run = Callable[..., CompletedProcess[str]]
SMALL = ("--epochs", "1", "--batch-size", "2", "--width", "2", "--noise-dim", "8")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    write_fruit_images(tmp_path / "pictures", 4, 0, classes=("Apple", "Pear"))
    return tmp_path / "pictures"


@pytest.mark.integration
def test_it_trains_on_the_one_fruit_in_a_folder_of_its_own(
    run_here: Run, pictures: Path, tmp_path: Path
) -> None:
    done = run_here("train-gan-single-fruit", "--fruit", "Pear", "--data-dir", pictures, *SMALL)
    assert done.returncode == 0, done.stderr
    assert f"Training on 4 pictures from {pictures}, 1 epochs." in done.stderr
    assert "Checkpoint: pear/models/latest_model.pth" in done.stdout
    assert "64 pictures of best_model.pth, as FruitCNN sees them" in done.stdout
    following = done.stdout.partition("Next: chunkport ")[2].split()
    assert following[:3] == ["generate-images", "--model", "pear/models/best_model.pth"]
    drawn = run_here(*following[:3], "--num", "1", "-o", "drawn")
    assert drawn.returncode == 0, drawn.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "drawn",
        "pear",
        "pictures",
    ]
    assert load_model_chunked(tmp_path / "pear/models/final_gan.pth")["epoch"] == 1
    elsewhere = run_here(
        *("train-gan-single-fruit", "--fruit", "Pear", "--data-dir", pictures, *SMALL),
        *("--output_dir", "mine", "--format", "json"),
    )
    assert elsewhere.returncode == 0, elsewhere.stderr
    assert json.loads(elsewhere.stdout)["checkpoint"] == "mine/models/latest_model.pth"


def test_an_unknown_fruit_is_refused_with_the_nearest(run_here: Run, pictures: Path) -> None:
    drawn = run_here("train-gan-single-fruit", "--fruit", "aple")
    assert drawn.returncode == 2
    assert "aple: no such fruit. Did you mean 'Apple'? Choose one of Apple, Banana" in drawn.stderr
    own = run_here("train-gan-single-fruit", "--fruit", "Peer", "--data-dir", pictures)
    assert own.returncode == 2
    assert "no images of class Peer. Did you mean 'Pear'? Choose one of Apple, Pear" in own.stderr
    assert [path.name for path in pictures.parent.iterdir()] == ["pictures"]
    missing = run_here("train-gan-single-fruit")
    assert missing.returncode == 2
    assert "--fruit" in missing.stderr
