"""Serves the page that runs a .tflite in a browser, and exchanges frames with it.

To this machine alone, and under a name that only the browser is told: no other program or page can
read the model or answer in its place.
"""

import http
import queue
import secrets
import shutil
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from verify.runtimes.litert_js import SCRIPTS

_KINDS = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".wasm": "application/wasm",
}
# With these a page has a clock of 5 microseconds, and not of 100.
_ISOLATION = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cache-Control": "no-store",
}
_WASM_UTILS = Path("@litertjs") / "wasm-utils"
_SECONDS_TO_STOP = 0.05


@dataclass
class Exchange:
    """What goes to the page and comes from it.

    Attributes:
        address: of the page.
        to_page: frames for it; None says that there are no more.
        from_page: its answers.
        arrived: whether it asked for its first frame.
        gone: whether it came to an end.
    """

    address: str
    to_page: "queue.Queue[bytes | None]" = field(default_factory=queue.Queue)
    from_page: "queue.Queue[bytes]" = field(default_factory=queue.Queue)
    arrived: threading.Event = field(default_factory=threading.Event)
    gone: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serve_page(model: Path, litert_js: Path) -> Iterator[Exchange]:
    """Serve the page for one .tflite until the block ends; `litert_js` is `@litertjs/core`."""
    server = _Server(model, litert_js)
    thread = threading.Thread(target=server.serve_forever, args=(_SECONDS_TO_STOP,), daemon=True)
    thread.start()
    try:
        yield server.exchange
    finally:
        server.exchange.to_page.put(None)
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, model: Path, litert_js: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        nested = litert_js / "node_modules" / _WASM_UTILS
        beside = litert_js.parents[1] / _WASM_UTILS
        self.folders = {"core": litert_js, "wasm-utils": nested if nested.is_dir() else beside}
        self.model = model
        self.prefix = f"/{secrets.token_urlsafe()}/"
        self.exchange = Exchange(f"http://127.0.0.1:{self.server_port}{self.prefix}page.html")

    def handle_error(self, request: Any, client_address: Any) -> None:
        """The browser may leave at any time; anything else is a fault to be seen."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """The page, its scripts, the model, or the line that is open as long as the page lives."""
        if self.path == f"{self.server.prefix}alive":
            self._hold_the_line()
        elif self.path == f"{self.server.prefix}model":
            self._send_file(self.server.model, "application/octet-stream")
        elif (file := self._asked_for()) is not None:
            self._send_file(file, _KINDS[file.suffix])
        else:
            self._answer(http.HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        """An answer, empty the first time, for the next frame."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != f"{self.server.prefix}exchange":
            self._answer(http.HTTPStatus.NOT_FOUND)
            return
        exchange = self.server.exchange
        if exchange.arrived.is_set():
            exchange.from_page.put(body)
        exchange.arrived.set()
        frame = exchange.to_page.get()
        if frame is None:
            self._answer(http.HTTPStatus.GONE)
        else:
            self._answer(http.HTTPStatus.OK, frame)

    def log_message(self, *arguments: Any) -> None:
        """What fails shows at its other end."""

    def _hold_the_line(self) -> None:
        self._head(http.HTTPStatus.OK, {"Connection": "close"})
        self.wfile.flush()
        self.connection.recv(1)  # comes back when the browser closes it
        self.server.exchange.gone.set()

    def _asked_for(self) -> Path | None:
        """The file of ours or of LiteRT.js that the address names."""
        if not self.path.startswith(self.server.prefix):
            return None
        asked = self.path.removeprefix(self.server.prefix)
        first, _, rest = asked.partition("/")
        folder = self.server.folders.get(first, SCRIPTS)
        file = (folder / (asked if folder is SCRIPTS else rest)).resolve()
        inside = file.is_relative_to(folder.resolve()) and file.suffix in _KINDS
        return file if inside and file.is_file() else None

    def _send_file(self, file: Path, kind: str) -> None:
        with file.open("rb") as content:
            size = str(file.stat().st_size)
            self._head(http.HTTPStatus.OK, {"Content-Type": kind, "Content-Length": size})
            shutil.copyfileobj(content, self.wfile, 1 << 20)

    def _answer(self, status: http.HTTPStatus, body: bytes = b"") -> None:
        self._head(status, {"Content-Length": str(len(body))})
        self.wfile.write(body)

    def _head(self, status: http.HTTPStatus, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**_ISOLATION, **headers}.items():
            self.send_header(name, value)
        self.end_headers()
