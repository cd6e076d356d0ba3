"""`chunkport verify --workers`: the same verdict to the last bit, and the same errors."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.integration

Run = Callable[..., CompletedProcess[str]]
CHECKPOINT = Path(__file__).resolve().parents[2] / "samples" / "tinyseal" / "full_model.pth"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(23):
        coarse = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8))
        coarse.resize((200 + number, 150)).save(folder / f"{number:02}.jpg")
    return folder


@pytest.fixture
def verify(run_chunkport: Run, tmp_path: Path) -> Run:
    """`chunkport verify ARGUMENTS... --checkpoint TINYSEAL --samples-dir pictures`."""

    def run(*arguments: object) -> CompletedProcess[str]:
        return run_chunkport(
            *("verify", *arguments, "--checkpoint", CHECKPOINT, "--samples-dir", "pictures"),
            *("--samples", "5", "--num-threads", "1", "--attacks", "none", "--format", "json"),
            folder=tmp_path,
        )

    return run


def test_the_verdict_of_two_workers_is_that_of_one_process_to_the_last_bit(
    verify: Run, tinyseal_tflites: dict[str, Path], pictures: Path
) -> None:
    alone = verify(*tinyseal_tflites.values())
    shared = verify(*tinyseal_tflites.values(), "--workers", "2")
    assert alone.returncode == shared.returncode == 0, alone.stderr + shared.stderr
    assert shared.stdout == alone.stdout  # rows, values, worst samples, and messages
    files = json.loads(shared.stdout)["files"]
    assert [file["samples"] for file in files] == [28, 28]
    worst = {row["worst"] for file in files for row in file["checks"] if row["value"]}
    assert any(word and word.partition(":")[0] in {*names(pictures)} for word in worst)


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_a_bad_picture_is_named_by_either(
    verify: Run, tinyseal_tflite: Path, pictures: Path, tmp_path: Path
) -> None:
    (pictures / "10.jpg").write_bytes(b"no picture")
    one = shutil.copy(tinyseal_tflite, tmp_path / "one.tflite")
    ended = [verify(one, "--workers", workers) for workers in (1, 2)]
    assert [each.returncode for each in ended] == [5, 5]
    assert ended[0].stdout == ended[1].stdout
    assert "pictures/10.jpg: is no picture that can be read" in ended[0].stdout
