"""The fixtures for pages: what a page does is seen, and nothing is seen that it does not do."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration

OpenPage = Callable[..., Any]
_SOUND = "<!doctype html><link rel=icon href=data:,><title>sound</title><p>here"
_FAULTY = """<!doctype html><link rel=icon href=data:,><title>faulty</title>
<script>console.error("first"); setTimeout(() => { throw new Error("second") }); </script>
<img src="absent.png">"""


def test_a_sound_page_has_no_errors_and_asks_for_itself_alone(
    open_page: OpenPage, tmp_path: Path
) -> None:
    path = tmp_path / "page.html"
    path.write_text(_SOUND)
    opened = open_page(path, offline=True, color_scheme="dark")
    assert opened.page.title() == "sound"
    assert opened.errors == []
    assert opened.requests == [path.as_uri()]
    assert opened.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")


def test_errors_and_requests_are_seen(
    open_page: OpenPage, serve_folder: Callable[[Path], str], tmp_path: Path
) -> None:
    (tmp_path / "page.html").write_text(_FAULTY)
    address = serve_folder(tmp_path)
    opened = open_page(f"{address}/page.html")
    opened.page.wait_for_timeout(100)
    first, second, missing = sorted(opened.errors, key=len)
    assert (first, second) == ("error: first", "error: second")
    assert missing.startswith("error: Failed to load resource")
    assert opened.requests == [f"{address}/page.html", f"{address}/absent.png"]
