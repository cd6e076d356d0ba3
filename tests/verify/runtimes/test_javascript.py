"""LiteRT.js in Node and in Chromium: what it answers, and how its end is told."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from chunkport.errors import MissingDependencyError
from verify.runtimes import find_runtime
from verify.runtimes.litert import LiteRtSession

pytestmark = pytest.mark.integration

Ours = Callable[[], set[int]]
Until = Callable[..., bool]
LATENT = {"latent": np.linspace(-1, 1, 100, dtype=np.float32)[None]}
# What the process of each runtime has among its arguments, in a folder for temporary files.
MARKS = {"node": "node.mjs", "chromium": "--user-data-dir={}/chunkport-chromium-"}

_HOLDS_A_SESSION = """
import sys, time
from pathlib import Path
from verify.runtimes import find_runtime
with find_runtime(sys.argv[1]).open(Path(sys.argv[2]), 1) as session:
    print("open", flush=True)
    time.sleep(600)
"""


@pytest.fixture(params=["node", "chromium"])
def name(request: pytest.FixtureRequest) -> str:
    request.getfixturevalue("litert_js")
    request.getfixturevalue(f"{request.param}_path")
    return str(request.param)


@pytest.fixture
def ours(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    processes_with: Callable[[str], list[int]],
) -> Callable[[], set[int]]:
    """The processes of the runtime that this test started and that still run."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    mark = MARKS[name].format(tmp_path)
    before = set(processes_with(mark))
    return lambda: set(processes_with(mark)) - before


def profiles(folder: Path) -> list[Path]:
    return list(folder.glob("chunkport-chromium-*"))


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8-dynamic"])
def test_it_answers_by_name_as_litert_does(
    generator_tflites: dict[str, Path], name: str, precision: str
) -> None:
    path = generator_tflites[precision]
    expected = LiteRtSession(path, threads=1).run(LATENT)["image"]
    with find_runtime(name).open(path, 1) as session:
        assert session.input_shapes() == {"latent": (1, 100)}
        assert session.output_shapes() == {"image": (1, 128, 128, 1)}
        assert session.init_ms > 0
        first, again = session.run(LATENT), session.run(LATENT)
        other = session.run({"latent": -LATENT["latent"]})
        times = session.time_runs(LATENT, 7)
    assert np.abs(first["image"] - expected).max() < (0.03 if "int8" in precision else 1e-5)
    assert np.array_equal(first["image"], again["image"])
    assert not np.array_equal(first["image"], other["image"])
    assert first["image"].dtype == np.float32
    assert len(times) == 7
    assert 0 < min(times) < 10_000


def test_a_file_that_is_no_model_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "garbage.tflite"
    path.write_bytes(b"\x00\x00\x00\x00TFL3" + bytes(100))
    with (
        pytest.raises(RuntimeError, match=r"^LiteRT\.js: .*[a-z]{4}"),
        find_runtime(name).open(path, 1),
    ):
        pytest.fail("it was opened")


def test_inputs_of_another_shape_are_refused_and_the_session_goes_on(
    generator_tflites: dict[str, Path], name: str
) -> None:
    with find_runtime(name).open(generator_tflites["fp32"], 1) as session:
        with pytest.raises(RuntimeError, match=r"^LiteRT\.js: "):
            session.run({"latent": np.zeros((1, 7), np.float32)})
        assert session.run(LATENT)["image"].shape == (1, 128, 128, 1)


def test_nothing_is_left_after_the_session(
    generator_tflites: dict[str, Path], name: str, ours: Ours, until: Until, tmp_path: Path
) -> None:
    def fail_in_a_session() -> None:
        with find_runtime(name).open(generator_tflites["fp32"], 1):
            assert ours()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_in_a_session()
    assert until(lambda: not ours())
    assert profiles(tmp_path) == []


def test_a_program_that_is_killed_is_told(
    generator_tflites: dict[str, Path], name: str, ours: Ours
) -> None:
    with find_runtime(name).open(generator_tflites["fp32"], 1) as session:
        session.run(LATENT)
        for process in ours():
            os.kill(process, signal.SIGKILL)
        with pytest.raises(RuntimeError, match=r"(Node|Chromium) was killed by signal 9"):
            session.run(LATENT)


@pytest.mark.parametrize("name", ["chromium"], indirect=True)
def test_a_page_that_dies_alone_is_told(
    generator_tflites: dict[str, Path],
    name: str,
    ours: Ours,
    processes_with: Callable[[str], list[int]],
) -> None:
    with find_runtime(name).open(generator_tflites["fp32"], 1) as session:
        session.run(LATENT)
        groups = {os.getpgid(process) for process in ours()}
        pages = [one for one in processes_with("--type=renderer") if os.getpgid(one) in groups]
        assert pages
        for page in pages:
            os.kill(page, signal.SIGKILL)
        with pytest.raises(RuntimeError, match="Chromium's page came to an end"):
            session.run(LATENT)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_outlives_us_when_we_are_killed(
    session_holder: "subprocess.Popen[bytes]",
    ours: Ours,
    until: Until,
    tmp_path: Path,
    how: signal.Signals,
) -> None:
    assert session_holder.stdout is not None
    assert session_holder.stdout.readline() == b"open\n"
    assert ours()
    session_holder.send_signal(how)
    assert until(lambda: not ours())
    assert until(lambda: not profiles(tmp_path))


@pytest.fixture
def session_holder(
    generator_tflites: dict[str, Path],
    name: str,
    ours: Ours,  # noqa: ARG001 - first: it says where temporary files go
) -> "Iterator[subprocess.Popen[bytes]]":
    """A process that says "open" once it has a session, and keeps it."""
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDS_A_SESSION, name, str(generator_tflites["fp32"])],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    with holder:
        yield holder
        holder.kill()


def test_without_the_program_it_says_how_to_get_it(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    module = f"verify.runtimes.{name}"
    monkeypatch.setattr(f"{module}.find_litert_js", lambda: None)
    with (
        pytest.raises(MissingDependencyError, match="npm install @litertjs/core"),
        find_runtime(name).open(tmp_path / "any.tflite", 1),
    ):
        pytest.fail("it was opened")
    monkeypatch.setattr(f"{module}.find_{name}", lambda: None)
    with (
        pytest.raises(MissingDependencyError, match="install"),
        find_runtime(name).open(tmp_path / "any.tflite", 1),
    ):
        pytest.fail("it was opened")
