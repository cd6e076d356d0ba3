"""Ctrl+C, processes told of each other, and pages in a browser, for tests of what a user sees.

It stands beside tests/ so that every folder of it has these fixtures.
"""

import functools
import http.server
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from verify.runtimes.programs import find_chromium, find_litert_js, find_node

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_GET_THEM = "npm ci && npm run unpack-chromium"


def pytest_configure() -> None:
    """Let children notice a Ctrl+C, which a shell has its background jobs ignore."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def start_together(tmp_path: Path) -> "Iterator[Callable[..., list[subprocess.Popen[str]]]]":
    """`(*arguments)` to two processes of Python, told of each other as a launcher does it.

    None outlives the test: one that fails would leave them training.
    """
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str | Path) -> "list[subprocess.Popen[str]]":
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = str(found.getsockname()[1])
        told = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        told |= {"PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": "1"}
        both = [
            subprocess.Popen(  # noqa: S603 - runs our own commands
                [sys.executable, *map(str, arguments)],
                cwd=tmp_path,
                env={**os.environ, **told, "RANK": rank, "LOCAL_RANK": rank},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for rank in ("0", "1")
        ]
        started.extend(both)
        return both

    yield start
    for process in started:
        process.kill()
        process.communicate()


@dataclass(frozen=True)
class OpenedPage:
    """A page and all that it said and asked for since it was opened.

    Attributes:
        page: Playwright's handle of it.
        console: its console messages and uncaught errors, as "warning: text" or "error: text".
        requests: every address that it asked for, its own first.
    """

    page: "Page"
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    @property
    def errors(self) -> list[str]:
        """What a page without faults has none of."""
        return [line for line in self.console if line.startswith("error:")]


@pytest.fixture(scope="session")
def node_path() -> Path:
    """Node."""
    return _found(find_node(), "Node", "install Node 20 or newer")


@pytest.fixture(scope="session")
def chromium_path() -> Path:
    """Chromium."""
    return _found(find_chromium(), "Chromium", _GET_THEM)


@pytest.fixture(scope="session")
def litert_js() -> Path:
    """The folder of @litertjs/core."""
    return _found(find_litert_js(), "LiteRT.js", "npm ci")


@pytest.fixture(scope="session")
def browser(chromium_path: Path) -> "Iterator[Browser]":
    """Chromium without a window, driven by Playwright."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium_path, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser: "Browser") -> Iterator[Callable[..., OpenedPage]]:
    """`(path or address, **options of a Playwright context)` to an `OpenedPage`, once loaded.

    Options are such as `color_scheme="dark"`, `viewport={"width": 390, "height": 844}`,
    `offline=True` or `java_script_enabled=False`.
    """
    with ExitStack() as closing:

        def open_it(target: Path | str, **options: Any) -> OpenedPage:
            context = browser.new_context(**options)
            closing.callback(context.close)
            opened = OpenedPage(context.new_page())
            opened.page.on("console", lambda it: opened.console.append(f"{it.type}: {it.text}"))
            opened.page.on("pageerror", lambda it: opened.console.append(f"error: {it}"))
            opened.page.on("request", lambda request: opened.requests.append(request.url))
            opened.page.goto(target.resolve().as_uri() if isinstance(target, Path) else target)
            return opened

        yield open_it


@pytest.fixture
def serve_folder() -> Iterator[Callable[[Path], str]]:
    """A folder to the address that it is served at, on this machine alone."""
    with ExitStack() as closing:

        def serve(folder: Path) -> str:
            handler = functools.partial(_QuietHandler, directory=str(folder))
            server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            closing.callback(server.server_close)
            closing.callback(server.shutdown)
            return f"http://127.0.0.1:{server.server_port}"

        yield serve


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Tests show what went wrong by themselves."""


def _found(place: Path | None, name: str, remedy: str) -> Path:
    if place is None:
        pytest.skip(f"{name} is not here; {remedy}")
    return place
