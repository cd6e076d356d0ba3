"""LiteRT.js in Chromium without a window, on a page that is served from here."""

import os
import queue
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from chunkport.errors import MissingDependencyError
from verify.runtimes.child_process import Child, child_process
from verify.runtimes.litert_js import MISSING_LITERT_JS, LiteRtJsSession, unfit
from verify.runtimes.page_server import Exchange, serve_page
from verify.runtimes.programs import CHROMIUM_VARIABLE, find_chromium, find_litert_js

__all__ = ["missing", "open_session", "unfit"]

_SECONDS_TO_START = 60
_SECONDS_BETWEEN_LOOKS = 0.2
_FLAGS = (
    "--headless",
    # The model is the only thing that is not ours here, and wasm's own walls hold it; Chromium's
    # sandbox cannot be had by root, nor in most containers.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",  # containers have little of it
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # it has nothing to ask elsewhere
)
# Becomes Chromium, after it started what ends Chromium and removes its profile when stdin ends:
# that is so when we are killed and cannot do it ourselves. $1 is the profile.
_NOT_OUTLIVING_US = """
profile=$1; shift; exec 3<&0
(cat <&3 >/dev/null; kill -TERM $$; sleep 2; rm -rf "$profile"; kill -KILL -$$) 2>/dev/null &
exec "$@" 3<&- </dev/null
"""


def missing() -> str | None:
    """What it lacks here and how to get it; None where it can run."""
    if sys.platform == "win32":
        return "Chromium is run on Linux and macOS only; --runtime node runs LiteRT.js here"
    if find_chromium() is None:
        return (
            "Chromium is not here; apt install chromium, or name Chromium or Chrome in the "
            f"variable {CHROMIUM_VARIABLE}"
        )
    return None if find_litert_js() else MISSING_LITERT_JS


@contextmanager
def open_session(path: Path, threads: int) -> Iterator[LiteRtJsSession]:  # noqa: ARG001 - it has one
    """A .tflite in it, until the block ends.

    Raises:
        MissingDependencyError: Chromium or LiteRT.js is not here.
        RuntimeError: it refuses the file, or Chromium or its page came to an end.
    """
    chromium, litert_js = find_chromium(), find_litert_js()
    if chromium is None or litert_js is None or sys.platform == "win32":
        raise MissingDependencyError(missing())
    with (
        tempfile.TemporaryDirectory(
            prefix="chunkport-chromium-", ignore_cleanup_errors=True
        ) as profile,
        serve_page(path, litert_js) as exchange,
        child_process(
            "Chromium",
            [
                "/bin/sh",
                "-c",
                _NOT_OUTLIVING_US,
                "sh",
                profile,
                chromium,
                *_FLAGS,
                f"--user-data-dir={profile}",
                exchange.address,
            ],
            stdout=subprocess.DEVNULL,
            env={**os.environ, "HOME": profile},
        ) as child,
    ):
        yield LiteRtJsSession(path, _asking(child, exchange))


def _asking(child: Child, exchange: Exchange) -> Callable[[bytes], bytes]:
    deadline = time.monotonic() + _SECONDS_TO_START

    def ask(frame: bytes) -> bytes:
        exchange.to_page.put(frame)
        while True:
            try:
                return exchange.from_page.get(timeout=_SECONDS_BETWEEN_LOOKS)
            except queue.Empty:
                pass
            late = not exchange.arrived.is_set() and time.monotonic() > deadline
            if child.popen.poll() is not None or late:
                raise child.ended()
            if exchange.gone.is_set():
                raise RuntimeError(
                    "Chromium's page came to an end; wasm holds 2 GB at the most, the model among "
                    "them"
                )

    return ask
