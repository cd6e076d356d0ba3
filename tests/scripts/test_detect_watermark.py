"""`chunkport detect-watermark` as a user types it: what is read, what counts as found, refusals."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    import subprocess

Run = Callable[..., "subprocess.CompletedProcess[str]"]
MESSAGE = "deadbeef"  # what the checkpoint `saying` reads
BITS = tuple(int(bit) for bit in f"{0xDEADBEEF:032b}")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def test_messages_are_shown_and_the_next_step_looks_for_them(
    run_here: Run, saying: Path, picture: Path
) -> None:
    done = run_here("detect-watermark", saying, picture)
    assert done.returncode == 0, done.stderr
    (row,) = [line for line in done.stdout.splitlines() if line.strip().startswith(str(picture))]
    assert row.split()[1:] == ["1", "24/32", MESSAGE]
    last = done.stdout.splitlines()[-1]
    assert last == f"Next: chunkport detect-watermark {saying} {picture} --message {MESSAGE}"


@pytest.mark.parametrize(
    ("message", "matches"),
    [
        ("deadbeef", 32),
        (f"{0xDEADBEEF:032b}", 32),
        ("5eadbeee", 30),  # the first and the last bit read otherwise
        ("5eadbeec", 29),
        ("21524110", 0),
    ],
)
def test_a_message_is_found_from_30_of_32_bits_on(
    run_here: Run, saying: Path, picture: Path, message: str, matches: int
) -> None:
    done = run_here("detect-watermark", saying, picture, "--message", message)
    found = matches >= 30
    assert done.returncode == (0 if found else 1), done.stderr
    assert f" {matches}/32 " in done.stdout
    said = "FOUND in 1 of 1" if found else f"NOT FOUND in {picture}"
    assert f"{said}; 30 of 32 bits are needed" in done.stdout


def test_the_rate_moves_the_threshold_and_the_json_tells_it(
    run_here: Run, saying: Path, picture: Path
) -> None:
    asked = ("--message", "5eadbeec", "--false-positive-rate", "2e-6", "--format", "json")
    done = run_here("detect-watermark", saying, picture, *asked)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    assert document["threshold"] == {
        "nbits": 32,
        "matches": 29,
        "false_positive_rate": pytest.approx(5489 / 2**32),
    }
    (row,) = document["pictures"]
    assert document["found"] is row["found"] is row["present"] is True
    assert (row["matching_bits"], row["hex"]) == (29, MESSAGE)
    assert row["bits"] == "".join(map(str, BITS))
    assert row["chance"] == pytest.approx(5489 / 2**32)


def test_a_rate_below_what_all_bits_reach_is_refused(
    run_here: Run, saying: Path, picture: Path
) -> None:
    asked = ("--message", MESSAGE, "--false-positive-rate", "1e-10")
    done = run_here("detect-watermark", saying, picture, *asked)
    assert done.returncode == 2
    assert "a message of 32 bits cannot be told from chance" in done.stderr
    assert "2.33e-10; ask for that or more" in done.stderr


def test_the_card_says_what_a_checkpoint_is_that_does_not_say_so_itself(
    run_here: Run, named_detector_case: Callable[[str], Any], picture: Path
) -> None:
    checkpoint, card = named_detector_case("vit").save(picture.parent)
    silent = run_here("detect-watermark", checkpoint, picture)
    assert silent.returncode == 5
    assert "name the model, or give its card" in silent.stderr
    told = run_here("detect-watermark", checkpoint, picture, "--card", card)
    assert told.returncode == 0, told.stderr
    next_step = shlex.split(told.stdout.splitlines()[-1])[2:]
    assert run_here(*next_step).returncode == 0, next_step
    wrong = run_here("detect-watermark", checkpoint, picture, "--model", "tinyseal")
    assert wrong.returncode == 5
    assert "name the model that the checkpoint is of" in wrong.stderr
    both = run_here("detect-watermark", checkpoint, picture, "--model", "tinyseal", "--card", card)
    assert both.returncode == 2
    assert "not both --model and --card" in both.stderr


def test_what_cannot_be_read_is_named(
    run_here: Run, saying: Path, picture: Path, tmp_path: Path
) -> None:
    (tmp_path / "cut.png").write_bytes(picture.read_bytes()[:500])
    done = run_here("detect-watermark", saying, picture, tmp_path / "cut.png")
    assert done.returncode == 5
    assert "cut.png: is no picture that can be read" in done.stderr
    absent = run_here("detect-watermark", tmp_path / "absent.tflite", picture)
    assert absent.returncode == 5
    assert "absent.tflite: there is no such file" in absent.stderr
    named = run_here("detect-watermark", "a.tflite", picture, "--model", "tinyseal")
    assert named.returncode == 2
    assert "a .tflite has its card inside" in named.stderr
