"""The page's server: frames go to and fro, and nobody else is served."""

import http.client
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from verify.runtimes.page_server import Exchange, serve_page


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    core = tmp_path / "node_modules" / "@litertjs" / "core"
    (core / "dist").mkdir(parents=True)
    (core / "dist" / "index.js").write_text("// core")
    (core / "package.json").write_text("{}")
    (tmp_path / "node_modules" / "@litertjs" / "wasm-utils" / "dist").mkdir(parents=True)
    (core.parent / "wasm-utils" / "dist" / "index.js").write_text("// utils")
    (tmp_path / "secret.js").write_text("// secret")
    (tmp_path / "model.tflite").write_bytes(b"model")
    with serve_page(tmp_path / "model.tflite", core) as served:
        yield served


def get(exchange: Exchange, name: str) -> tuple[int, str, bytes]:
    address = urllib.parse.urljoin(exchange.address, name)
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310 - our own server
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, "", b""


def post(exchange: Exchange, body: bytes) -> tuple[int, bytes]:
    address = urllib.parse.urlsplit(exchange.address)
    connection = http.client.HTTPConnection(address.netloc, timeout=10)
    connection.request("POST", address.path.replace("page.html", "exchange"), body)
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def test_the_page_its_scripts_and_the_model_are_served(exchange: Exchange) -> None:
    assert get(exchange, "page.html")[:2] == (200, "text/html")
    assert get(exchange, "page.mjs")[:2] == (200, "text/javascript")
    assert get(exchange, "core/dist/index.js") == (200, "text/javascript", b"// core")
    assert get(exchange, "wasm-utils/dist/index.js") == (200, "text/javascript", b"// utils")
    assert get(exchange, "model") == (200, "application/octet-stream", b"model")


@pytest.mark.parametrize(
    "name",
    [
        "absent.mjs",
        "core/package.json",
        "core/../../../secret.js",
        "core/%2e%2e/%2e%2e/%2e%2e/secret.js",
        "/page.html",
        "/guessed/model",
        "/model",
    ],
)
def test_nothing_else_is(exchange: Exchange, name: str) -> None:
    assert get(exchange, name)[0] == 404


def test_a_path_that_leads_out_is_not_followed(exchange: Exchange) -> None:
    """As sent by no client that tidies addresses."""
    address = urllib.parse.urlsplit(exchange.address)
    connection = http.client.HTTPConnection(address.netloc, timeout=10)
    folder = address.path.removesuffix("page.html")
    connection.request("GET", f"{folder}core/../../../secret.js")
    assert connection.getresponse().status == 404
    connection.close()


def test_frames_go_to_the_page_and_its_answers_come_back(exchange: Exchange) -> None:
    exchange.to_page.put(b"first")
    exchange.to_page.put(b"second")
    assert not exchange.arrived.is_set()
    assert post(exchange, b"") == (200, b"first")
    assert exchange.arrived.is_set()
    assert post(exchange, b"answer to the first") == (200, b"second")
    assert exchange.from_page.get(timeout=10) == b"answer to the first"
    exchange.to_page.put(None)
    assert post(exchange, b"answer to the second") == (410, b"")


def test_that_the_page_is_gone_shows(exchange: Exchange) -> None:
    address = urllib.parse.urlsplit(exchange.address)
    connection = http.client.HTTPConnection(address.netloc, timeout=10)
    connection.request("GET", address.path.replace("page.html", "alive"))
    assert connection.sock is not None
    line = connection.sock
    head = line.recv(4096)
    assert b"200 OK" in head
    assert not exchange.gone.wait(0.1)
    line.shutdown(2)
    line.close()
    connection.close()
    assert exchange.gone.wait(10)


def test_its_end_leaves_no_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    with serve_page(tmp_path / "model.tflite", tmp_path / "a" / "b"):
        assert threading.active_count() > before
    assert threading.active_count() == before
