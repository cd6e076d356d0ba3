import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from networks.gan import Generator

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(
    path.name for path in (ROOT / "scripts").glob("*.py") if not path.name.startswith("_")
)
Run = Callable[..., subprocess.CompletedProcess[str]]


def save_tiny_generator(path: Path, seed: int) -> Path:
    """A checkpoint of an untrained generator, small enough to convert in seconds."""
    torch.manual_seed(seed)
    torch.save({"generator_state_dict": Generator(noise_dim=8, width=4).state_dict()}, path)
    return path


def test_an_unknown_command_is_refused_with_the_nearest_one(run_chunkport: Run) -> None:
    ended = run_chunkport("convrt")
    assert ended.returncode == 2
    assert "No such command 'convrt'. Did you mean 'convert'?" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""


def test_commands_and_flags_take_snake_case_too(run_chunkport: Run) -> None:
    kebab = run_chunkport("train-gan", "--help")
    snake = run_chunkport("train_gan", "--help")
    assert kebab.returncode == snake.returncode == 0
    assert kebab.stdout.splitlines()[2:] == snake.stdout.splitlines()[2:]  # below the usage line
    ended = run_chunkport("doctor", "--no_self_check", "--format", "json")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["findings"][-1]["status"] == "skipped"


def test_version_and_exit_codes_are_told(run_chunkport: Run) -> None:
    assert run_chunkport("--version").stdout.startswith("chunkport, version ")
    assert "5  an input is bad or damaged" in run_chunkport("--help").stdout


@pytest.mark.parametrize("form", [("--format", "json"), ("--format=json",)])
def test_errors_are_json_where_json_was_asked_for(
    run_chunkport: Run, tmp_path: Path, form: tuple[str, ...]
) -> None:
    checkpoint = save_tiny_generator(tmp_path / "model.pth", seed=1)
    ended = run_chunkport("convert", checkpoint, "--model", "gan-generatr", *form)
    document = json.loads(ended.stdout)
    assert ended.returncode == 2
    assert document["schema_version"] == 1
    assert document["error"]["type"] == "UsageError"
    assert document["error"]["exit_code"] == 2
    assert "Did you mean 'gan-generator'?" in document["error"]["message"]
    assert document["error"]["message"] in ended.stderr


def test_arguments_that_do_not_parse_are_json_too(run_chunkport: Run) -> None:
    ended = run_chunkport("convert", "--precison", "fp32", "--format", "json")
    assert ended.returncode == 2
    assert "--precision" in json.loads(ended.stdout)["error"]["message"]


def test_2_an_unknown_precision_names_the_nearest(run_chunkport: Run, tmp_path: Path) -> None:
    checkpoint = save_tiny_generator(tmp_path / "model.pth", seed=1)
    ended = run_chunkport("convert", checkpoint, "--model", "gan-generator", "--precision", "fp61")
    assert ended.returncode == 2
    assert ended.stderr.startswith("Error: unknown precision 'fp61'. Did you mean 'fp16'?")
    assert len(ended.stderr.splitlines()) == 1


def test_5_a_truncated_checkpoint(run_chunkport: Run, tmp_path: Path) -> None:
    checkpoint = save_tiny_generator(tmp_path / "model.pth", seed=1)
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1000])
    ended = run_chunkport("convert", checkpoint, "--model", "gan-generator")
    assert ended.returncode == 5
    assert "model.pth" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert list(tmp_path.iterdir()) == [checkpoint]


def test_70_a_fault_of_ours_keeps_its_traceback(run_python: Run) -> None:
    program = "from scripts import _cli; _cli.COMMANDS['doctor'] = 'scripts.gone'; _cli.main()"
    ended = run_python("-c", program, "doctor")
    assert ended.returncode == 70
    assert "ModuleNotFoundError: No module named 'scripts.gone'" in ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("This is a fault of chunkport")


@pytest.mark.parametrize("form", ["human", "json"])
def test_141_when_nobody_reads_the_result(tmp_path: Path, form: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "scripts._cli", "doctor", "--no-self-check", "--format", form],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 141


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_run_from_the_repository_root(run_python: Run, name: str) -> None:
    """Their folder holds convert.py and verify.py, which must not hide the packages."""
    ended = run_python(f"scripts/{name}", "--help", folder=ROOT)
    assert ended.returncode == 0, ended.stderr
    assert f"Usage: {name}" in ended.stdout
    assert "--format" in ended.stdout


@pytest.mark.integration
def test_a_script_converts_and_the_verdict_sets_the_exit_code(
    run_python: Run, run_chunkport: Run, tmp_path: Path
) -> None:
    checkpoint = save_tiny_generator(tmp_path / "model.pth", seed=1)
    other = save_tiny_generator(tmp_path / "other.pth", seed=2)
    converted = run_python(
        *("scripts/convert.py", checkpoint, "--model", "gan-generator"),
        *("--output_dir", tmp_path / "out", "--format", "json"),
        folder=ROOT,
    )
    assert converted.returncode == 0, converted.stderr
    model = json.loads(converted.stdout)["files"][0]["path"]
    passed = run_chunkport("verify", model, "--checkpoint", checkpoint, "--samples", "2")
    assert passed.returncode == 0, passed.stdout
    assert "PASSED: 1 of 1 files" in passed.stdout
    failed = run_chunkport("verify", model, "--checkpoint", other, "--samples", "2")
    assert failed.returncode == 1
    assert f"FAILED: {model}" in failed.stdout


SPEC_OF_WHAT_CANNOT_BE_CONVERTED = """
import torch
from wrappers.spec import Contract, ModelSpec, TensorSpec


class SingularValues(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.eye(4))

    def forward(self, x):
        return {"y": torch.linalg.svdvals(x @ self.weight)}


CONTRACT = Contract(
    (TensorSpec("x", (4, 4), "features", "any", "a matrix"),),
    (TensorSpec("y", (4,), "features", "any", "its singular values"),),
)
SPEC = ModelSpec(
    name="singular-values",
    file_stem="singular_values",
    summary="singular values",
    load_network=lambda _contents, _origin: SingularValues(),
    build_wrapper=lambda network: network,
    build_plain=lambda network: network,
    contract=lambda _network: CONTRACT,
    make_samples=lambda _contract, _count, _seed: [],
    reference=lambda _network, _inputs: {},
    metrics=(),
    output_span=(0.0, 1.0),
    limits={},
)
"""


@pytest.mark.integration
def test_4_a_model_that_the_converter_refuses(run_chunkport: Run, tmp_path: Path) -> None:
    spec = tmp_path / "model.py"
    spec.write_text(SPEC_OF_WHAT_CANNOT_BE_CONVERTED)
    checkpoint = save_tiny_generator(tmp_path / "model.pth", seed=1)
    ended = run_chunkport("convert", checkpoint, "--spec", f"{spec}:SPEC", "-o", tmp_path / "out")
    assert ended.returncode == 4, ended.stderr
    assert "svd" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not list((tmp_path / "out").iterdir())
