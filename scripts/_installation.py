"""What chunkport needs and what this machine has of it, a row each."""

import json
import os
import platform
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path
from typing import Literal

from chunkport.errors import MissingDependencyError, UsageError
from verify.runtimes.programs import (
    CHROMIUM_VARIABLE,
    find_chromium,
    find_litert_js,
    find_node,
)

try:
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet
except ImportError as error:
    raise MissingDependencyError(
        "packaging is not installed, and versions cannot be judged without it; "
        "pip install packaging, then run this again"
    ) from error

Status = Literal["ok", "missing", "wrong", "failed", "absent", "limited", "skipped"]
# What keeps chunkport from working; the other states only say so.
BROKEN = frozenset({"missing", "wrong", "failed"})

_PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
_SELF_CHECK_SECONDS = 600
# Where litert-converter, which does the converting, has wheels.
_CONVERTING = {("Linux", "x86_64"), ("Darwin", "arm64")}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: what it is.
        status: missing, wrong and failed keep chunkport from working; the others do not.
        found: what there is.
        wanted: what there should be; empty where anything will do.
        remedy: what to do about it; empty where there is nothing to do.
    """

    name: str
    status: Status
    found: str
    wanted: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Needs:
    """What the package says that it needs."""

    python: SpecifierSet
    packages: tuple[Requirement, ...]


@dataclass(frozen=True)
class Machine:
    """What the machine offers; `memory_bytes` is None where the system does not tell."""

    system: str
    architecture: str
    cores: int
    memory_bytes: int | None


def read_needs() -> Needs:
    """From the installed package's metadata, or from pyproject.toml where it is not installed."""
    try:
        python, lines = metadata("chunkport")["Requires-Python"], requires("chunkport") or []
    except PackageNotFoundError:
        project = tomllib.loads(_PYPROJECT.read_text(encoding="utf-8"))["project"]
        python, lines = project["requires-python"], project["dependencies"]
    wanted = (Requirement(line) for line in lines)
    here = tuple(
        item for item in wanted if item.marker is None or item.marker.evaluate({"extra": ""})
    )
    return Needs(SpecifierSet(python), here)


def look_at_python(needs: Needs) -> Finding:
    """The running Python."""
    found = platform.python_version()
    fits = needs.python.contains(found, prereleases=True)
    remedy = "" if fits else "install Python 3.11 and make a new environment with it"
    return Finding("Python", "ok" if fits else "wrong", found, str(needs.python), remedy)


def look_at_package(requirement: Requirement) -> Finding:
    """One package that chunkport cannot do without."""
    wanted = ",".join(sorted(map(str, requirement.specifier), reverse=True))
    remedy = f"pip install {shlex.quote(str(requirement))}"
    try:
        found = version(requirement.name)
    except PackageNotFoundError:
        return Finding(requirement.name, "missing", "not installed", wanted, remedy)
    if not requirement.specifier.contains(found, prereleases=True):
        return Finding(requirement.name, "wrong", found, wanted, remedy)
    return Finding(requirement.name, "ok", found, wanted)


def look_at_options() -> Iterator[Finding]:
    """What chunkport uses where it is there."""
    try:
        yield Finding("chunkport", "ok", version("chunkport"))
    except PackageNotFoundError:
        yield Finding(
            "chunkport",
            "absent",
            "not installed: needed for the command `chunkport`",
            remedy="pip install -c constraints.txt -e .",
        )
    yield _look_for_package(
        ("tensorflow-cpu", "tensorflow"),
        "tensorflow",
        "to run a .tflite in TensorFlow's interpreter",
    )
    yield _look_for_package(("ray",), "ray", "to share work between processes, as --workers")
    yield _look_for_package(
        ("accelerate",), "distributed", "to train in several processes, on several GPUs or machines"
    )
    yield _look_for_package(
        ("tensorboardX",), "tensorboard", "to write TensorBoard events, as --tensorboard"
    )
    yield _look_for(
        "node", find_node, "to run a .tflite with LiteRT.js", "install Node 20 or newer"
    )
    yield _look_for(
        "LiteRT.js", find_litert_js, "to run a .tflite in Node", "npm install @litertjs/core"
    )
    yield _look_for(
        "chromium",
        find_chromium,
        "to run a .tflite in a browser",
        f"install Chromium or Chrome, or name it in {CHROMIUM_VARIABLE}",
    )


def _look_for_package(packages: Sequence[str], extra: str, purpose: str) -> Finding:
    """An extra of chunkport's, any of the packages that will do for it."""
    for package in packages:
        try:
            found = version(package)
        except PackageNotFoundError:
            continue
        return Finding(extra, "ok", found if package == extra else f"{found} ({package})")
    remedy = f"pip install 'chunkport[{extra}]'"
    return Finding(extra, "absent", f"not found: needed {purpose}", remedy=remedy)


def _look_for(name: str, find: Callable[[], Path | None], purpose: str, remedy: str) -> Finding:
    """A program that is no Python package."""
    try:
        place = find()
    except UsageError as error:
        return Finding(name, "absent", str(error), remedy=remedy)
    if place is None:
        return Finding(name, "absent", f"not found: needed {purpose}", remedy=remedy)
    return Finding(name, "ok", str(place))


def measure_machine() -> Machine:
    """The machine that this runs on."""
    if sys.platform == "linux":  # a container may be given fewer than there are
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    memory = None
    if sys.platform != "win32":
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Machine(platform.system(), platform.machine(), cores, memory)


def look_at_machine(machine: Machine) -> Finding:
    """Whether there are wheels for it; its cores and memory go along."""
    memory = "unknown" if machine.memory_bytes is None else f"{machine.memory_bytes / 1e9:.1f} GB"
    found = f"{machine.system} {machine.architecture}, {machine.cores} cores, {memory} of memory"
    if (machine.system, machine.architecture) in _CONVERTING:
        return Finding("machine", "ok", found)
    return Finding(
        "machine",
        "limited",
        found,
        "Linux x86_64 or macOS arm64, to convert",
        "litert-converter has no wheel for it: convert on another machine, verify on either",
    )


def run_self_check() -> tuple[Finding, str]:
    """Convert, run and compare a tiny network, in a process of its own.

    Returns:
        The finding, and all that the tools said on the way.
    """
    try:
        ended = subprocess.run(
            [sys.executable, "-P", "-m", "verify.self_check"],
            capture_output=True,
            text=True,
            check=False,
            timeout=_SELF_CHECK_SECONDS,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
    except subprocess.TimeoutExpired:
        return _failed_self_check(f"not done after {_SELF_CHECK_SECONDS} s"), ""
    if ended.returncode:
        words = ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"]
        return _failed_self_check(words[-1]), ended.stderr
    errors = json.loads(ended.stdout.strip().splitlines()[-1])
    text = ", ".join(f"{name} {value:.1e}" for name, value in errors.items())
    found = f"converts and runs; off PyTorch by at most {text}"
    return Finding("self-check", "ok", found), ended.stderr


def _failed_self_check(reason: str) -> Finding:
    return Finding(
        "self-check",
        "failed",
        reason,
        remedy="run with -v for all of it; pip install -c constraints.txt -e .",
    )
