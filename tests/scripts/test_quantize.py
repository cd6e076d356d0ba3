"""`chunkport quantize`: float files of ours, of another's converter, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from convert.card import read_card

pytestmark = pytest.mark.integration

Run = Callable[..., CompletedProcess[str]]


class Two(nn.Module):
    """Two inputs and two outputs: a picture and four numbers to five scores and two."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.scores = nn.Linear(8 * 36 + 4, 5)
        self.pair = nn.Linear(8 * 36 + 4, 2)

    def forward(self, picture: torch.Tensor, extra: torch.Tensor) -> tuple[torch.Tensor, ...]:
        x = torch.cat([torch.relu(self.conv(picture)).flatten(1), extra], dim=1)
        return self.scores(x), self.pair(x)


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A float32 file as litert-torch writes it, without a card."""
    import litert_torch

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("foreign") / "two.tflite"
    made = litert_torch.convert(Two().eval(), (torch.rand(1, 3, 8, 8), torch.rand(1, 4)))
    made.export(str(path))
    return path


def _quantized(run: Run, *arguments: str | Path) -> dict[str, Any]:
    ended = run("quantize", *arguments, "--format", "json")
    assert ended.returncode == 0, ended.stderr
    document: dict[str, Any] = json.loads(ended.stdout)
    return document


def test_a_file_of_unknown_origin_is_compared_with_itself(
    run_here: Run, foreign: Path, tmp_path: Path
) -> None:
    asked = ("--precision", "int8", "--precision", "fp16", "--precision", "int4-dynamic")
    document = _quantized(run_here, foreign, *asked, "-o", tmp_path / "out")
    names = ["two_int8_dynamic.tflite", "two_fp16.tflite", "two_int4_dynamic.tflite"]
    assert [Path(row["path"]).name for row in document["files"]] == names
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(names)
    assert [row["coverage"]["in_integers"] for row in document["files"]] == [3, 0, 3]
    assert read_card(tmp_path / "out" / names[0]) is None
    assert "nothing is known of its inputs" in document["warnings"][0]
    by_file: dict[str, list[float]] = {}
    for row in document["outputs"]:
        by_file.setdefault(Path(row["path"]).name, []).append(row["relative_l2"])
        assert row["snr_db"] == pytest.approx(-20 * np.log10(row["relative_l2"]))
    assert all(len(figures) == 2 for figures in by_file.values())
    int8, fp16, int4 = (max(by_file[name]) for name in names)
    assert 0 < fp16 < int8 < int4 < 0.5


def test_a_file_of_ours_is_what_convert_makes_and_keeps_its_card(
    run_here: Run, generator_tflites: dict[str, Path], tmp_path: Path
) -> None:
    document = _quantized(
        run_here, generator_tflites["fp32"], "--precision", "int8", "-o", tmp_path
    )
    (made,) = document["files"]
    assert Path(made["path"]).name == generator_tflites["int8-dynamic"].name
    assert Path(made["path"]).read_bytes() == generator_tflites["int8-dynamic"].read_bytes()
    assert "warnings" not in document
    assert document["outputs"][0]["snr_db"] > 20
    assert document["next"].startswith(f"chunkport verify {made['path']} --checkpoint")


def test_ranges_of_a_foreign_file_are_measured_on_arrays(
    run_here: Run, foreign: Path, tmp_path: Path
) -> None:
    folder, rng = tmp_path / "inputs", np.random.default_rng(0)
    folder.mkdir()
    for number in range(16):
        picture, extra = rng.random((1, 3, 8, 8), np.float32), rng.random((1, 4), np.float32)
        np.savez(folder / f"{number:02}.npz", args_0=picture, args_1=extra)
    document = _quantized(
        run_here,
        *(foreign, "--precision", "int8-static", "--require-full", "-o", tmp_path),
        *("--calibration-dir", folder, "--samples-dir", folder),
    )
    (made,) = document["files"]
    assert made["coverage"]["in_integers"] == made["coverage"]["computing"] == 3
    assert document["calibration"]["source"] == "arrays"
    assert document["calibration"]["count"] == 16
    assert not any("noise" in warning for warning in document.get("warnings", []))
    assert all(row["relative_l2"] < 0.1 for row in document["outputs"])


def test_ranges_of_noise_are_warned_of(run_here: Run, foreign: Path, tmp_path: Path) -> None:
    document = _quantized(run_here, foreign, "--precision", "int8-static", "-o", tmp_path)
    assert document["calibration"]["source"] == "noise"
    assert any("calibrated on normal noise" in warning for warning in document["warnings"])


def test_a_model_of_tensorflow_is_quantized(run_here: Run, tmp_path: Path) -> None:
    """Its inputs are of any batch; it has no signature, and a name of TensorFlow's own."""
    tensorflow = pytest.importorskip("tensorflow")
    weights = np.random.default_rng(0).standard_normal((6, 32)).astype(np.float32)
    function = tensorflow.function(
        lambda given: tensorflow.nn.relu(tensorflow.matmul(given, weights)),
        input_signature=[tensorflow.TensorSpec([None, 6], tensorflow.float32, name="given")],
    )
    converter = tensorflow.lite.TFLiteConverter.from_concrete_functions(
        [function.get_concrete_function()]
    )
    (tmp_path / "dense.tflite").write_bytes(converter.convert())
    document = _quantized(run_here, tmp_path / "dense.tflite", "--precision", "int8")
    (row,) = document["outputs"]
    assert row["reason"] is None
    assert 0 < row["relative_l2"] < 0.05
    assert document["files"][0]["coverage"]["in_integers"] == 1


@pytest.mark.parametrize("precision", ["int8-dynamic", "fp16"])
def test_what_is_quantized_already_is_refused_with_what_it_is(
    run_here: Run, generator_tflites: dict[str, Path], tmp_path: Path, precision: str
) -> None:
    ended = run_here(
        "quantize", generator_tflites[precision], "--precision", "int8", "-o", tmp_path / "out"
    )
    assert ended.returncode == 5
    assert f"is quantized already (its card says {precision}; 17 of " in ended.stderr
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_full_leaves_nothing(run_here: Run, foreign: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "conv_alone.json"
    rules = [{"weights": "int8", "op": "CONV_2D"}]
    recipe.write_text(json.dumps({"schema_version": 1, "rules": rules}))
    out = tmp_path / "out"
    ended = run_here("quantize", foreign, "--recipe", recipe, "--require-full", "-o", out)
    assert ended.returncode == 4
    assert "2 FULLY_CONNECTED" in ended.stderr
    assert "no rule of the recipe is for it" in ended.stderr
    assert not list(out.iterdir())


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ((), "no precision asked for"),
        (("--precision", "fp32"), "is the float32 file itself"),
        (("--precision", "int9"), "Did you mean"),
        (("--precision", "mixed"), "give one with --recipe"),
    ],
)
def test_a_request_that_cannot_be_carried_out_is_told(
    run_here: Run, foreign: Path, asked: tuple[str, ...], told: str
) -> None:
    ended = run_here("quantize", foreign, *asked)
    assert ended.returncode == 2
    assert told in ended.stderr


def test_nothing_is_replaced_unless_asked(run_here: Run, foreign: Path, tmp_path: Path) -> None:
    there = tmp_path / "two_int8_dynamic.tflite"
    there.write_text("mine")
    asked = ("quantize", foreign, "--precision", "int8", "-o", tmp_path)
    assert run_here(*asked).returncode == 2
    assert there.read_text() == "mine"
    assert run_here(*asked, "--force").returncode == 0
    assert there.stat().st_size > 1000


def test_what_is_no_tflite_is_told(run_here: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.tflite"
    path.write_text("no flatbuffer at all")
    ended = run_here("quantize", path, "--precision", "int8")
    assert ended.returncode == 5
    assert f"{path}: is not a .tflite file" in ended.stderr
