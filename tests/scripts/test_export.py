import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.mark.integration
@pytest.mark.parametrize("form", ["onnx", "torchscript"])
def test_the_file_its_checks_and_a_warning_where_one_is_due(
    run_chunkport: Run, generator_checkpoint: Path, tmp_path: Path, form: str
) -> None:
    arguments = ("export", generator_checkpoint, "--model", "gan-generator", "--to", form)
    done = run_chunkport(*arguments, "-o", tmp_path / "g", "--format", "json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["files"] == [str(tmp_path / "g")]
    assert document["size_bytes"] == (tmp_path / "g").stat().st_size
    assert {check["name"] for check in document["checks"] if check["passed"]} >= {"psnr_db"}
    assert ("TorchScript is deprecated" in done.stderr) == (form == "torchscript")
    assert done.stderr.count("\n") == (form == "torchscript")
    again = run_chunkport(*arguments, "-o", tmp_path / "g")
    assert again.returncode == 2
    assert "already there" in again.stderr
    human = run_chunkport(*arguments, "-o", tmp_path / "g", "--force")
    assert "max_abs_difference" in human.stdout


@pytest.mark.integration
def test_the_help_tells_what_is_deprecated(run_chunkport: Run) -> None:
    assert "torchscript is deprecated by" in run_chunkport("export", "--help").stdout
