"""`chunkport verify --worst DIR`, as a user runs it."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from PIL import Image

pytestmark = pytest.mark.integration

Run = Callable[..., CompletedProcess[str]]
QUICK = ("--samples", "1", "--num-threads", "1")


def test_the_worst_pictures_of_all_files_are_drawn_on_one_sheet(
    run_chunkport: Run,
    generator_checkpoint: Path,
    generator_tflites: dict[str, Path],
    tmp_path: Path,
) -> None:
    files = [generator_tflites["fp32"], generator_tflites["int8-dynamic"]]
    judged = ("verify", *files, "--checkpoint", generator_checkpoint, *QUICK)
    ended = run_chunkport(*judged, "--worst", "new/worst", "--format", "json")
    assert ended.returncode == 0, ended.stderr
    document = json.loads(ended.stdout, parse_constant=pytest.fail)
    assert document["worst"] == ["new/worst/gan_generator_128_worst.png"]
    with Image.open(tmp_path / document["worst"][0]) as sheet:
        assert sheet.width > 5 * 128  # PyTorch's, and each file's with its difference
        assert sheet.height > 6 * 128
    again = run_chunkport(*judged, "--worst", "new/worst")
    assert again.returncode == 2
    assert "gan_generator_128_worst.png: already there; add --force" in again.stderr


def test_a_file_that_cannot_run_is_left_out(
    run_chunkport: Run, generator_checkpoint: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(b"\x18\x00\x00\x00TFL3" + bytes(64))
    said = ("--model", "gan-generator", "--precision", "fp32")
    judged = ("verify", broken, "--checkpoint", generator_checkpoint, *said, *QUICK)
    ended = run_chunkport(*judged, "--worst", "worst")
    assert ended.returncode in {1, 5}, ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "worst").exists()
