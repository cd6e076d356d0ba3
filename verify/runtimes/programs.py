"""Where the programs are that are no Python packages: Node, Chromium, and LiteRT.js for both."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from chunkport.errors import UsageError

LITERT_JS_VARIABLE = "CHUNKPORT_LITERT_JS"
CHROMIUM_VARIABLE = "CHUNKPORT_CHROMIUM"

_LITERT_JS = Path("@litertjs") / "core"
_CHROMIUM_NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "chromium-headless-shell",
    "chrome-headless-shell",
)
# Where this repository's package.json unpacks the one of @sparticuz/chromium. Not the shared
# temporary folder, where that package puts it by itself and anyone could put another.
_UNPACKED_CHROMIUM = Path(".chromium") / "chromium"
_SECONDS_TO_ANSWER = 20
_OLDEST_NODE = 20


def find_node() -> Path | None:
    """Node on the PATH, 20 or newer; an older one is none."""
    found = _on_path("node")
    version = re.match(r"v(\d+)\.", _answer(found, "--version") or "") if found else None
    return found if version and int(version[1]) >= _OLDEST_NODE else None


def find_chromium() -> Path | None:
    """Chromium or Chrome: named by the variable, on the PATH, or unpacked into a node_modules.

    One that does not even tell its version is none: Ubuntu's `chromium-browser` may only say where
    to get it, and libraries that it needs may be missing.

    Raises:
        UsageError: the variable names no program.
    """
    if named := os.environ.get(CHROMIUM_VARIABLE):
        if not os.access(named, os.X_OK) or Path(named).is_dir():
            raise UsageError(f"{CHROMIUM_VARIABLE}={named}: is no program; name Chromium, or none")
        if _answer(Path(named).resolve(), "--version") is None:
            raise UsageError(
                f"{CHROMIUM_VARIABLE}={named}: does not run, not even with --version; name another "
                "Chromium, or none"
            )
        return Path(named).resolve()
    installed = map(_on_path, _CHROMIUM_NAMES)
    unpacked = (folder / _UNPACKED_CHROMIUM for folder in _node_modules())
    found = (*filter(None, installed), *filter(Path.is_file, unpacked))
    return next((path for path in found if _answer(path, "--version") is not None), None)


def find_litert_js() -> Path | None:
    """The folder of `@litertjs/core`: named by the variable, or in a node_modules.

    Of the current folder and its parents, of chunkport's own repository, or npm's global one.

    Raises:
        UsageError: the variable names another folder.
    """
    if named := os.environ.get(LITERT_JS_VARIABLE):
        if not _holds_litert_js(Path(named)):
            raise UsageError(
                f"{LITERT_JS_VARIABLE}={named}: is not the folder of @litertjs/core, which has "
                "package.json, dist and wasm in it; name that, or none"
            )
        return Path(named).resolve()
    for folder in _node_modules():
        if _holds_litert_js(folder / _LITERT_JS):
            return (folder / _LITERT_JS).resolve()
    shared = _shared_node_modules()
    if shared is not None and _holds_litert_js(shared / _LITERT_JS):
        return (shared / _LITERT_JS).resolve()
    return None


def _on_path(name: str) -> Path | None:
    found = shutil.which(name)
    return None if found is None else Path(found).resolve()


def _node_modules() -> Iterator[Path]:
    here, repository = Path.cwd(), Path(__file__).resolve().parents[2]
    for folder in (here, *here.parents, repository):
        yield folder / "node_modules"


def _shared_node_modules() -> Path | None:
    """Where `npm install --global` puts packages."""
    npm = _on_path("npm")
    named = _answer(npm, "root", "--global") if npm else None
    return Path(named) if named else None


@cache
def _answer(program: Path, *arguments: str) -> str | None:
    """What it says on stdout; None where it fails."""
    try:
        asked = subprocess.run(  # noqa: S603 - a program that was found, or named by the user
            [program, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS_TO_ANSWER,
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    return asked.stdout.strip() if asked.returncode == 0 else None


def _holds_litert_js(folder: Path) -> bool:
    return (folder / "dist" / "index.js").is_file() and (folder / "wasm").is_dir()
