"""Where programs are looked for, in which order, and what a wrong place is told."""

import os
from pathlib import Path

import pytest

from chunkport.errors import UsageError
from verify.runtimes import programs
from verify.runtimes.programs import find_chromium, find_litert_js, find_node


@pytest.fixture(autouse=True)
def nothing_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of its own, no variables, nothing on the PATH, and chunkport installed elsewhere."""
    (tmp_path / "project" / "models").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    monkeypatch.chdir(tmp_path / "project" / "models")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("CHUNKPORT_CHROMIUM", raising=False)
    monkeypatch.delenv("CHUNKPORT_LITERT_JS", raising=False)
    site = tmp_path / "installed" / "verify" / "runtimes" / "programs.py"
    monkeypatch.setattr(programs, "__file__", str(site))


def make_program(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def make_litert_js(node_modules: Path) -> Path:
    core = node_modules / "@litertjs" / "core"
    (core / "dist").mkdir(parents=True)
    (core / "wasm").mkdir()
    (core / "dist" / "index.js").touch()
    return core


def test_where_nothing_is_nothing_is_found() -> None:
    assert find_node() is None
    assert find_chromium() is None
    assert find_litert_js() is None


@pytest.mark.parametrize("name", ["chromium", "google-chrome", "chromium-headless-shell"])
def test_programs_are_found_on_the_path(tmp_path: Path, name: str) -> None:
    assert find_chromium() is None
    made = make_program(tmp_path / "bin" / name)
    assert find_chromium() == made
    assert find_node() is None


@pytest.mark.parametrize("version", ["v20.0.0", "v101.2.3"])
def test_node_is_found_on_the_path(tmp_path: Path, version: str) -> None:
    node = make_program(tmp_path / "bin" / "node", f"#!/bin/sh\necho {version}\n")
    assert find_node() == node


@pytest.mark.parametrize("says", ["echo v12.22.9", "echo v19.9.0", "echo hello", "exit 1"])
def test_a_node_that_is_old_or_broken_is_none(tmp_path: Path, says: str) -> None:
    make_program(tmp_path / "bin" / "node", f"#!/bin/sh\n{says}\n")
    assert find_node() is None


def test_a_chromium_that_cannot_run_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub = make_program(tmp_path / "bin" / "chromium-browser", "#!/bin/sh\nexit 10\n")
    assert find_chromium() is None
    unpacked = make_program(tmp_path / "project" / "node_modules" / ".chromium" / "chromium")
    assert find_chromium() == unpacked
    monkeypatch.setenv("CHUNKPORT_CHROMIUM", str(stub))
    with pytest.raises(UsageError, match=r"chromium-browser: does not run"):
        find_chromium()


def test_the_chromium_that_npm_unpacked_comes_after_an_installed_one(tmp_path: Path) -> None:
    unpacked = make_program(tmp_path / "project" / "node_modules" / ".chromium" / "chromium")
    assert find_chromium() == unpacked
    installed = make_program(tmp_path / "bin" / "chromium-browser")
    assert find_chromium() == installed


def test_the_variables_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_program(tmp_path / "bin" / "chromium")
    make_litert_js(tmp_path / "project" / "node_modules")
    mine = make_program(tmp_path / "mine" / "chrome")
    core = make_litert_js(tmp_path / "mine")
    monkeypatch.setenv("CHUNKPORT_CHROMIUM", str(mine))
    monkeypatch.setenv("CHUNKPORT_LITERT_JS", str(core))
    assert find_chromium() == mine
    assert find_litert_js() == core


def test_a_variable_that_names_something_else_is_a_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHUNKPORT_CHROMIUM", str(tmp_path))
    with pytest.raises(UsageError, match=r"CHUNKPORT_CHROMIUM=.*: is no program"):
        find_chromium()
    monkeypatch.setenv("CHUNKPORT_LITERT_JS", str(tmp_path))
    with pytest.raises(UsageError, match=r"is not the folder of @litertjs/core"):
        find_litert_js()


def test_litert_js_is_found_here_then_above_then_in_the_repository_then_npm_s_own(
    tmp_path: Path,
) -> None:
    make_program(tmp_path / "bin" / "npm", f"#!/bin/sh\necho '{tmp_path}/global'\n")
    assert find_litert_js() is None
    places = ("global", "installed/node_modules", "node_modules", "project/models/node_modules")
    for place in places:
        core = make_litert_js(tmp_path / place)
        assert find_litert_js() == core
    assert len({*places}) == 4


def test_an_npm_that_fails_is_none(tmp_path: Path) -> None:
    make_program(tmp_path / "bin" / "npm", "#!/bin/sh\necho somewhere\nexit 1\n")
    assert find_litert_js() is None


def test_a_linked_package_is_named_by_where_it_is(tmp_path: Path) -> None:
    core = make_litert_js(tmp_path / "store")
    scope = tmp_path / "project" / "node_modules" / "@litertjs"
    scope.mkdir(parents=True)
    (scope / "core").symlink_to(core, target_is_directory=True)
    assert find_litert_js() == core
    assert os.path.islink(scope / "core")  # noqa: PTH114 - of the link itself
