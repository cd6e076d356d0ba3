"""The command lines that were published for the fruit GAN, with `scripts/` for `GAN/`, as printed.

They are run one after the other in one folder, as a reader of those instructions does.
"""

import json
import runpy
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import torch
from PIL import Image

from networks.gan import Discriminator, Generator
from train.fruits import write_fruit_images

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[[str], CompletedProcess[str]]
# The published size takes hours; all else is as printed.
SMALL = "--batch-size 2 --width 2 --noise-dim 8 --data-dir pictures"
TRAIN = f"python scripts/train_gan.py --epochs 2 --save-every 2 --metric g-loss {SMALL}"
TRAIN_ONE = f"python scripts/train_gan_single_fruit.py --fruit Apple --epochs 1 {SMALL}"
EPOCH = "checkpoint_epoch_002.pth"  # printed as checkpoint_epoch_050.pth
AFTERWARDS = (
    "python scripts/check_models.py",
    "python scripts/generate_images.py --num 50",
    "python scripts/generate_images.py --num 50 --classify",
    "python scripts/generate_images.py --num 100 --classify",
    "python scripts/generate_images.py --model scripts/models/latest_model.pth --num 50",
    f"python scripts/generate_images.py --model scripts/models/{EPOCH} --num 20",
    "python scripts/generate_images.py --model scripts/models/best_model.pth --num 50",
    "python scripts/generate_images.py --num 50 --classify --model models/latest_model.pth",
)
MODELS = ("best_model.pth", "latest_model.pth", "final_gan.pth", EPOCH)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy's root, with pictures to train on."""
    made = tmp_path_factory.mktemp("published")
    (made / "scripts").symlink_to(ROOT / "scripts")
    write_fruit_images(made / "pictures", 2, 0, classes=("Apple", "Pear"))
    return made


@pytest.fixture
def run_printed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Run a printed line in that folder: the file it names, as the main program."""

    def run(line: str) -> CompletedProcess[str]:
        python, script, *arguments = shlex.split(line)
        assert python == "python"
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", [script, *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            runpy.run_path(script, run_name="__main__")
        said = capsys.readouterr()
        assert isinstance(left.value.code, int)
        return CompletedProcess(line, left.value.code, said.out, said.err)

    return run


def test_they_train_check_and_generate(run_printed: Run, folder: Path) -> None:
    for line in (TRAIN, *AFTERWARDS):
        done = run_printed(line)
        assert done.returncode == 0, f"{line}: {done.stderr}"
    models = folder / "models"
    index = json.loads((models / "models_index.json").read_text())
    assert {model["file"] for model in index["models"]} == set(MODELS)
    for name in ("best", "latest", "final"):
        metadata = json.loads((models / f"{name}_metadata.json").read_text())
        assert metadata["noise_dim"] == 8
        assert {"epoch", "timestamp"} < metadata.keys()
    pictures = {path.name for path in (folder / "generated_images").iterdir()}
    assert pictures == {
        *(f"sample_{number:03d}.png" for number in range(100)),
        "grid_64.png",
        "classification.json",
    }
    assert Image.open(folder / "generated_images" / "grid_64.png").size == (1024, 1024)
    assert {"training_history.png", "training_history_live.png"} <= {
        path.name for path in folder.iterdir()
    }
    progress = folder / "training_progress"
    assert {"epoch_001.png", "epoch_002.png"} <= {path.name for path in progress.iterdir()}


def test_a_checkpoint_goes_on_in_a_loop_of_ones_own(run_printed: Run, folder: Path) -> None:
    """The published snippet, which loads the state of both networks and both optimisers."""
    if not (folder / "models").exists():
        assert run_printed(TRAIN).returncode == 0
    generator, discriminator = Generator(noise_dim=8, width=2), Discriminator(width=2)
    optimizer_G = torch.optim.Adam(generator.parameters(), lr=0.0002, betas=(0.5, 0.999))  # noqa: N806 - as published
    optimizer_D = torch.optim.Adam(discriminator.parameters(), lr=0.0002, betas=(0.5, 0.999))  # noqa: N806 - as published
    checkpoint = torch.load(folder / "models" / EPOCH)
    generator.load_state_dict(checkpoint["generator_state_dict"])
    discriminator.load_state_dict(checkpoint["discriminator_state_dict"])
    optimizer_G.load_state_dict(checkpoint["optimizer_G_state_dict"])
    optimizer_D.load_state_dict(checkpoint["optimizer_D_state_dict"])
    loss = discriminator(generator(torch.randn(2, 8))).mean()
    loss.backward()
    optimizer_G.step()
    optimizer_D.step()
    assert checkpoint["epoch"] == 2
    state = optimizer_G.state_dict()["state"]
    assert {int(entry["step"]) for entry in state.values()} == {5}  # two in each epoch, and this


def test_one_fruit_alone_is_trained(run_printed: Run, folder: Path) -> None:
    done = run_printed(TRAIN_ONE)
    assert done.returncode == 0, done.stderr
    assert (folder / "apple" / "models" / "latest_model.pth").is_file()


def test_the_setup_can_be_tested(run_printed: Run) -> None:
    done = run_printed("python scripts/test_setup.py --no-self-check")
    assert done.returncode == 0, done.stdout
    assert "READY" in done.stdout


def test_requirements_stand_in_the_folder_of_the_scripts() -> None:
    listed = (ROOT / "scripts" / "requirements.txt").read_text().splitlines()
    asked = dict(line.split() for line in listed if not line.startswith("#"))
    assert {flag: (ROOT / "scripts" / place).resolve() for flag, place in asked.items()} == {
        "-c": ROOT / "constraints.txt",
        "-e": ROOT,
    }
