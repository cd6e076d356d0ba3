import json
import os
import subprocess
from collections.abc import Callable, Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from scripts._installation import Machine, look_at_machine, look_at_package

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]
BARE_DOCTOR = ("-S", "-m", "scripts._cli", "doctor")  # without the installed packages


def by_name(document: Mapping[str, Any]) -> dict[str, Any]:
    return {row["name"]: row for row in document["findings"]}


def link_packages(folder: Path, *packages: str) -> dict[str, str]:
    """Link these packages of ours into `folder`; the environment of a Python that has no others."""
    for package in packages:
        for top in {file.parts[0] for file in distribution(package).files or ()} - {".."}:
            (folder / top).symlink_to(str(distribution(package).locate_file(top)))
    return {"PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"}


def test_a_sound_installation_is_ready(run_chunkport: Run) -> None:
    ended = run_chunkport("doctor", "--no-self-check", "--format", "json")
    document = json.loads(ended.stdout)
    assert ended.returncode == 0, ended.stderr
    assert document["ok"] is True
    found = by_name(document)
    assert {
        "Python",
        "torch",
        "litert-torch",
        "node",
        "tensorflow",
        "ray",
        "distributed",
        "tensorboard",
        "machine",
    } <= found.keys()
    assert found["torch"]["status"] == "ok"
    assert found["torch"]["wanted"] == ">=2.4,<2.15"
    assert found["self-check"]["found"] == "not run: --no-self-check"
    assert document["machine"]["cores"] >= 1
    assert document["machine"]["memory_bytes"] > 1e8


def test_what_runs_files_elsewhere_is_told_and_may_be_absent(
    run_chunkport: Run, tmp_path: Path
) -> None:
    env = {"PATH": str(tmp_path), "CHUNKPORT_CHROMIUM": str(tmp_path / "chrome")}
    ended = run_chunkport("doctor", "--no-self-check", "--format", "json", env=env)
    assert ended.returncode == 0, ended.stderr
    found = by_name(json.loads(ended.stdout))
    assert found["node"]["status"] == "absent"
    assert found["node"]["remedy"] == "install Node 20 or newer"
    assert found["chromium"]["status"] == "absent"
    assert "chrome: is no program" in found["chromium"]["found"]
    assert found["LiteRT.js"]["status"] in {"ok", "absent"}  # npm may have brought it here


def test_the_table_says_the_same(run_chunkport: Run) -> None:
    ended = run_chunkport("doctor", "--no-self-check")
    assert ended.returncode == 0
    assert "litert-torch" in ended.stdout
    assert "not run: --no-self-check" in ended.stdout
    assert ended.stdout.splitlines()[-2:] == [
        "READY",
        "Next: chunkport train-gan --profile demo --output-dir demo",
    ]


def test_without_the_heavy_packages_it_names_them_and_the_way_to_get_them(
    run_python: Run, tmp_path: Path
) -> None:
    light = ("click", "rich", "packaging", "markdown-it-py", "mdurl", "pygments")
    env = link_packages(tmp_path, *light)
    ended = run_python(*BARE_DOCTOR, "--format", "json", env=env)
    assert ended.returncode == 3, ended.stderr
    document = json.loads(ended.stdout)
    found = by_name(document)
    assert found["click"]["status"] == "ok"
    assert found["torch"]["status"] == "missing"
    assert found["torch"]["remedy"].startswith("pip install 'torch")
    assert found["self-check"]["status"] == "skipped"
    assert "torch" in found["self-check"]["found"]
    assert document["next"].startswith("pip install ")
    assert "'torch" in document["next"]
    assert "click" not in document["next"]


def test_without_what_draws_tables_it_still_speaks(run_python: Run, tmp_path: Path) -> None:
    ended = run_python(*BARE_DOCTOR, env=link_packages(tmp_path, "click", "packaging"))
    assert ended.returncode == 3, ended.stderr
    assert "rich | missing | not installed" in ended.stdout
    assert "NOT READY: torch, " in ended.stdout
    assert ended.stderr == ""


def test_without_what_reads_versions_it_says_so(run_python: Run, tmp_path: Path) -> None:
    ended = run_python(*BARE_DOCTOR, env=link_packages(tmp_path, "click"))
    assert ended.returncode == 3
    assert ended.stderr.startswith("Error: packaging is not installed")
    assert "pip install packaging" in ended.stderr


def test_a_version_out_of_range_is_wrong() -> None:
    finding = look_at_package(Requirement("click>=1,<2"))
    assert finding.status == "wrong"
    assert finding.wanted == ">=1,<2"
    assert finding.remedy == "pip install 'click<2,>=1'"


@pytest.mark.parametrize(
    ("system", "architecture", "status"),
    [
        ("Linux", "x86_64", "ok"),
        ("Darwin", "arm64", "ok"),
        ("Linux", "aarch64", "limited"),
        ("Windows", "AMD64", "limited"),
    ],
)
def test_machines_without_a_converter_are_told(system: str, architecture: str, status: str) -> None:
    finding = look_at_machine(Machine(system, architecture, cores=4, memory_bytes=None))
    assert finding.status == status
    assert ("litert-converter" in finding.remedy) == (status == "limited")


@pytest.mark.integration
def test_the_self_check_converts_and_runs_a_network(run_chunkport: Run) -> None:
    ended = run_chunkport("doctor", "--format", "json")
    assert ended.returncode == 0, ended.stdout
    check = by_name(json.loads(ended.stdout))["self-check"]
    assert check["status"] == "ok"
    assert "int8-dynamic" in check["found"]


@pytest.mark.integration
def test_the_self_check_finds_a_broken_package(run_chunkport: Run, tmp_path: Path) -> None:
    """Its metadata is there and of the right version, yet it cannot be imported."""
    (tmp_path / "litert_torch.py").write_text("raise ImportError('libmissing.so: not found')\n")
    path = os.pathsep.join((str(tmp_path), str(ROOT)))
    ended = run_chunkport("doctor", "--format", "json", env={"PYTHONPATH": path})
    assert ended.returncode == 3
    found = by_name(json.loads(ended.stdout))
    assert found["litert-torch"]["status"] == "ok"
    assert found["self-check"]["status"] == "failed"
    assert found["self-check"]["found"] == "ImportError: libmissing.so: not found"
