"""`chunkport verify --runtime`, as a user runs it: one table, and exit codes."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from verify.runtimes import find_runtime

pytestmark = pytest.mark.integration

Run = Callable[..., CompletedProcess[str]]


@pytest.fixture
def verify(run_here: Run, generator_checkpoint: Path) -> Run:
    """`chunkport verify ARGUMENTS... --checkpoint generator_checkpoint` on few samples."""

    def run(*arguments: str | Path) -> CompletedProcess[str]:
        quick = ("--samples", "2", "--num-threads", "1")
        return run_here("verify", *arguments, "--checkpoint", generator_checkpoint, *quick)

    return run


def test_all_runtimes_stand_in_one_table(
    verify: Run, generator_tflites: dict[str, Path], litert_js: Path, chromium_path: Path
) -> None:
    assert litert_js.exists()
    assert chromium_path.exists()
    if lack := find_runtime("tensorflow").missing():
        pytest.skip(lack)
    ended = verify(generator_tflites["fp32"], generator_tflites["int8-dynamic"], "--runtime", "all")
    assert ended.returncode == 0, ended.stderr
    table = ended.stdout.partition("in each runtime")[2].splitlines()
    for name in ("litert", "litert-builtin", "tensorflow", "node", "chromium"):
        assert [line.split()[2] for line in table if line.split()[1:2] == [name]] == ["same"] * 2
    assert any(" dB " in line for line in table)
    assert "PASSED: 2 of 2 files" in ended.stdout


def test_the_json_holds_what_the_table_holds(
    verify: Run, generator_tflites: dict[str, Path]
) -> None:
    path = generator_tflites["int8-dynamic"]
    ended = verify(path, "--runtime", "litert-builtin", "--format", "json", "--strict")
    assert ended.returncode == 0, ended.stderr
    document = json.loads(ended.stdout, parse_constant=pytest.fail)
    litert, builtin = document["runtimes"]
    assert (litert["runtime"], litert["tolerance"]) == ("litert", None)
    assert builtin["runtime"] == "litert-builtin"
    assert builtin["path"] == str(path)
    assert builtin["agrees"] is True
    assert 0 < builtin["largest_difference"] < builtin["tolerance"]
    assert builtin["psnr_db"] > 30
    assert builtin["latency_p50_ms"] > 0
    assert builtin["init_ms"] > 0


def test_without_the_option_nothing_else_is_run(
    verify: Run, generator_tflites: dict[str, Path]
) -> None:
    ended = verify(generator_tflites["fp32"], "--format", "json")
    assert "runtimes" not in json.loads(ended.stdout)


def test_a_runtime_that_answers_otherwise_fails_the_verdict(
    verify: Run, generator_tflites: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernels differ in the last bit, which a tolerance of 0 does not admit."""
    tolerance = find_runtime("litert-builtin").tolerance
    assert isinstance(tolerance, dict)
    monkeypatch.setitem(tolerance, "fp32", 0)
    path = generator_tflites["fp32"]
    ended = verify(path, generator_tflites["fp16"], "--runtime", "litert-builtin")
    assert ended.returncode == 1
    assert "DIFFERS" in ended.stdout
    assert "from LiteRT's outputs, at most 0 is stated" in ended.stdout
    assert f"FAILED: {path}" in ended.stdout.splitlines()


def test_what_is_not_here_is_refused_by_name_and_skipped_among_all(
    verify: Run, generator_tflites: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("verify.runtimes.node.find_node", lambda: None)
    for program in ("node.find_litert_js", "chromium.find_litert_js"):
        monkeypatch.setattr(f"verify.runtimes.{program}", lambda: None)
    path = generator_tflites["fp32"]
    ended = verify(path, "--runtime", "node")
    assert ended.returncode == 3
    assert (
        "Error: --runtime node: there is no Node 20 or newer on the PATH; install one"
        in ended.stderr
    )
    assert ended.stdout == ""
    ended = verify(path, "--runtime", "all")
    assert ended.returncode == 0, ended.stderr
    assert "there is no Node 20 or newer" in " ".join(ended.stdout.split())
    assert ended.stdout.count("skipped") == 2
    assert verify(path, "--runtime", "all", "--strict").returncode == 3


def test_an_unknown_runtime_is_a_mistake(verify: Run, generator_tflites: dict[str, Path]) -> None:
    ended = verify(generator_tflites["fp32"], "--runtime", "nodejs")
    assert ended.returncode == 2
    assert "unknown runtime 'nodejs'. Did you mean 'node'?" in ended.stderr
