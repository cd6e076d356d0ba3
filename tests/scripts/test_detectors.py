"""The detectors' commands as a user types them: options, pictures, messages, refusals."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from convert.card import read_card
from convert.tflite import read_flatbuffer, write_flatbuffer

if TYPE_CHECKING:
    import subprocess

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Case = Callable[[str], Any]
ROOT = Path(__file__).resolve().parents[2]
CONVERT = ROOT / "scripts" / "convert_detector_to_tflite.py"
VERIFY = ROOT / "scripts" / "verify_detector_tflite.py"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((200, 150)).save(folder / "a.png")
    return folder / "a.png"


def documented(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--no-simple"], "name it, as in --source-size 720x1280"),
        (["--simple", "--source-size", "9x9"], "leave out --source-size"),
        (["--source-size", "720"], "'720' is no HEIGHTxWIDTH such as 720x1280"),
        (["--image-size", "16"], "sees nothing in 16 pixels a side"),
        (["--card", "absent.yaml"], "--card absent.yaml: there is no such file"),
        (["--card", "chunkyseal"], "detectors' cards come with --model"),
        (["--layout", "chw"], "'chw' is not one of 'nchw', 'nhwc'"),
    ],
)
def test_what_cannot_be_built_is_refused_in_a_line(
    run_chunkport: Run, flags: list[str], said: str
) -> None:
    done = run_chunkport("convert", "any.pth", "--model", "videoseal", *flags)
    assert done.returncode == 2
    assert said in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr


def test_one_folder_of_pictures_is_enough_and_a_count_is_no_word(
    run_chunkport: Run, tmp_path: Path
) -> None:
    (tmp_path / "one").mkdir()
    asked = ["verify", "a.tflite", "--checkpoint", "a.pth", "--samples"]
    both = run_chunkport(*asked, "one", "--samples-dir", "two")
    assert both.returncode == 2
    assert "--samples one, --samples-dir two: name one folder" in both.stderr
    for wrong, said in (("0", "0 is not in the range"), ("absent", "'absent' is neither a number")):
        done = run_chunkport(*asked, wrong)
        assert done.returncode == 2
        assert said in done.stderr


def test_the_generator_has_none_of_these_choices(run_chunkport: Run) -> None:
    done = run_chunkport("convert", "any.pth", "--model", "gan-generator", "--layout", "nchw")
    assert done.returncode == 2
    assert "model 'gan-generator' has no choice of layout" in done.stderr


def test_without_weights_the_scripts_say_where_they_looked_and_what_to_do(
    run_python: Run, tmp_path: Path
) -> None:
    done = run_python(CONVERT, "--output_dir", tmp_path / "out")
    assert done.returncode == 2
    assert "chunkyseal_detector_only.pth: is not in this folder" in done.stderr
    assert "extract-detector-weights FULL.pth -o chunkyseal_detector_only.pth" in done.stderr
    assert not (tmp_path / "out").exists()


def test_an_unknown_detector_is_refused_before_its_weights_are_looked_for(
    run_python: Run,
) -> None:
    done = run_python(CONVERT, "--model_name", "chunkyseel")
    assert done.returncode == 2
    assert "Did you mean 'chunkyseal'?" in done.stderr


@pytest.mark.integration
def test_weights_under_an_alias_are_looked_for_under_the_full_name(
    run_python: Run, tmp_path: Path, named_detector_case: Case
) -> None:
    saved, card = named_detector_case("convnext_stride4").save(tmp_path)
    done = run_python(CONVERT, "--model_name", "videoseal", "--card", card)
    assert done.returncode == 2
    assert "extract-detector-weights FULL.pth -o videoseal-1.0_detector_only.pth" in done.stderr
    usual = tmp_path / "videoseal-1.0_detector_only.pth"
    copied = run_python("-m", "scripts._cli", "extract-detector-weights", saved, "-o", usual)
    assert copied.returncode == 0, copied.stderr
    done = run_python(CONVERT, "--model_name", "videoseal", "--card", card)
    assert done.returncode == 0, done.stderr
    tflite = "videoseal-1.0_detector_videoseal-1.0_128.tflite"
    done = run_python(VERIFY, "--tflite_model", tflite)
    assert done.returncode == 0, done.stderr
    assert "compared with nothing" not in done.stderr


@pytest.mark.integration
def test_the_scripts_convert_and_verify_with_and_without_the_weights(
    run_python: Run, tmp_path: Path, named_detector_case: Case, picture: Path
) -> None:
    saved, card = named_detector_case("convnext_stride2").save(tmp_path / "weights")
    out = tmp_path / "chunkyseal_tflite"
    flags = ["--checkpoint", saved, "--card", card, "--output_dir", out]
    done = run_python(CONVERT, "--quantize", "int8", *flags)
    assert done.returncode == 0, done.stderr
    tflite = out / "chunkyseal_detector_chunkyseal_96_int8.tflite"
    assert tflite.is_file()

    lines = ["--tflite_model", tflite, "--image_path", picture, "--format", "json"]
    compared = run_python(VERIFY, *lines, "--checkpoint", saved)
    assert compared.returncode == 0, compared.stderr
    pytorch, own = documented(compared)["messages"]
    assert (pytorch["read_by"], own["read_by"]) == ("PyTorch", tflite.name)
    assert pytorch["picture"] == own["picture"] == str(picture)
    assert own["bits"].count("1") == int(own["ones"].split("/")[0])
    assert len(own["bits"]) == 40
    assert own["hex"] == f"{int(own['bits'], 2):010x}"
    assert own["confidence"] == pytest.approx(pytorch["confidence"], abs=0.1)

    alone = run_python(VERIFY, *lines)
    assert alone.returncode == 0, alone.stderr
    assert "chunkyseal_detector_only.pth is not here" in alone.stderr
    assert [item["read_by"] for item in documented(alone)["messages"]] == [tflite.name]
    checks = {check["name"]: check for check in documented(alone)["files"][0]["checks"]}
    assert checks["runs"]["passed"] is True
    assert checks["relative_l2"]["passed"] is None
    assert checks["relative_l2"]["reason"] == "there is no checkpoint to compare with"

    model = read_flatbuffer(tflite)
    (entry,) = [item for item in model.metadata if item.name == b"chunkport_card.json"]
    model.metadata.remove(entry)
    model.buffers[entry.buffer].data = None
    write_flatbuffer(model, tmp_path / "bare.tflite")
    bare = run_python(VERIFY, "--tflite_model", "bare.tflite")
    assert bare.returncode == 5
    assert "say what it is: chunkport verify bare.tflite --checkpoint FILE --model" in bare.stderr


@pytest.mark.integration
def test_the_card_keeps_how_a_file_was_built_and_verify_goes_by_it(
    run_chunkport: Run, tmp_path: Path, named_detector_case: Case, picture: Path
) -> None:
    saved, card = named_detector_case("convnext_stride4").save(tmp_path / "weights")
    flags = ["--layout", "nhwc", "--no_simple", "--source_size", "150x200", "--split_outputs"]
    done = run_chunkport(
        "convert", saved, "--model", "pixelseal", "--card", card, *flags, "-o", tmp_path
    )
    assert done.returncode == 0, done.stderr
    tflite = tmp_path / "pixelseal_detector_128_from_150x200_nhwc_split_fp32.tflite"
    kept = read_card(tflite)
    assert kept is not None
    assert kept.options == {
        "layout": "nhwc",
        "source_size": [150, 200],
        "split_outputs": True,
        "model_card": card.read_text() + "\n",
    }
    assert [item["shape"] for item in kept.contract["inputs"]] == [[1, 150, 200, 3]]
    verified = run_chunkport(
        "verify", tflite, "--checkpoint", saved, "--samples", "2",
        "--samples-dir", picture.parent, "--format", "json",
    )  # fmt: skip
    assert verified.returncode == 0, verified.stderr
    document = documented(verified)
    assert document["files"][0]["samples"] == 3
    pytorch, own = document["messages"]
    assert pytorch["bits"] == own["bits"]
    shorter = run_chunkport(
        "verify", tflite, "--checkpoint", saved, "--samples", picture.parent, "--format", "json"
    )
    assert shorter.returncode == 0, shorter.stderr
    assert documented(shorter)["messages"] == document["messages"]
    assert documented(shorter)["files"][0]["samples"] == 33


@pytest.mark.integration
def test_an_alias_is_written_down_by_its_full_name(
    run_chunkport: Run, tmp_path: Path, named_detector_case: Case
) -> None:
    saved, card = named_detector_case("convnext_stride4").save(tmp_path / "weights")
    done = run_chunkport("convert", saved, "--model", "videoseal", "--card", card, "-o", tmp_path)
    assert done.returncode == 0, done.stderr
    tflite = tmp_path / "videoseal-1.0_detector_128_fp32.tflite"
    kept = read_card(tflite)
    assert kept is not None
    assert kept.model == "videoseal-1.0"
    for name, code in (("videoseal", 0), ("pixelseal", 2)):
        verified = run_chunkport(
            "verify", tflite, "--checkpoint", saved, "--samples", "1", "--model", name
        )
        assert verified.returncode == code, verified.stderr
