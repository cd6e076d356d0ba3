"""Every model in every precision, at test size: no cell is missing, none is silent."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.matrix_cells import Effort, measure_model
from benchmarks.matrix_models import MatrixModel
from benchmarks.precision_matrix import read_cells
from chunkport.errors import BadInputError
from convert.quantization.precision import PRECISIONS
from wrappers.registry import model_names

ROOT = Path(__file__).parents[2]
# Rows that are of the file and not of how well the model bears a precision.
HONEST = {"integrity", "lineage", "weights", "loads", "signature", "runs", "range", "repeats"}
ALWAYS_PASS = ("fp32", "fp16", "int8-dynamic")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole matrix at test size, as its command writes it."""
    target = tmp_path_factory.mktemp("matrix") / "matrix.json"
    effort = ["--samples", "2", "--calibration-samples", "4", "--rounds", "1", "--num-threads", "1"]
    command = [sys.executable, "-m", "benchmarks.precision_matrix", "--size", "test", *effort]
    subprocess.run(
        [*command, "-o", str(target), "--format", "json"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return target


@pytest.fixture(scope="module")
def cells(written: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(written.read_text())["cells"]
    return found


@pytest.mark.integration
def test_every_model_has_every_precision(cells: list[dict[str, Any]]) -> None:
    found = [(cell["model"], cell["precision"]) for cell in cells]
    assert found == [(model, row.name) for model in model_names() for row in PRECISIONS]


@pytest.mark.integration
def test_each_has_a_verdict_or_the_reason_why_not(cells: list[dict[str, Any]]) -> None:
    for cell in cells:
        place = cell["model"], cell["precision"]
        if cell["reason"]:
            assert cell["precision"] == "mixed", cell
            assert "recipe" in cell["reason"], cell
            continue
        assert cell["passed"] in (True, False), place
        assert cell["passed"] == (not cell["failed"]), place
        assert cell["value"] is not None, place
        assert cell["size_vs_fp32"] > 0, place
        assert cell["speed_vs_pytorch"] > 0, place


@pytest.mark.integration
def test_files_are_what_they_say_they_are(cells: list[dict[str, Any]]) -> None:
    for cell in cells:
        assert not HONEST & set(cell["failed"]), cell
        if cell["precision"] in ALWAYS_PASS:
            assert cell["passed"], cell


@pytest.mark.integration
def test_narrower_weights_make_smaller_files(cells: list[dict[str, Any]]) -> None:
    for model in model_names():
        size = {cell["precision"]: cell["size_bytes"] for cell in cells if cell["model"] == model}
        assert size["int4-dynamic"] < size["int8-dynamic"] < size["fp16"] < size["fp32"], model


@pytest.mark.integration
def test_a_matrix_is_read_as_it_was_written(written: Path, cells: list[dict[str, Any]]) -> None:
    assert json.loads(json.dumps([cell.to_json() for cell in read_cells(written)])) == cells


@pytest.mark.integration
def test_a_file_that_is_too_slow_is_told_so(generator_checkpoint: Path, tmp_path: Path) -> None:
    column = MatrixModel("gan-generator", generator_checkpoint, "made")
    effort = Effort(1, 2, 1, 1, trials=False, isolated=False, patience_s=0.01)
    found = measure_model(column, tmp_path, effort)
    made = [cell for cell in found if cell.size_bytes]
    assert len(made) == len(PRECISIONS) - 1
    assert {cell.reason for cell in made} == {"one run takes over 0.01 s"}
    assert {cell.passed for cell in found} == {None}


@pytest.mark.parametrize("text", ["", "{}", '{"cells": [{"model": "x"}]}'])
def test_what_is_no_matrix_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(BadInputError, match=r"other\.json: holds no precision matrix"):
        read_cells(path)
