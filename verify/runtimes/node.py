"""LiteRT.js in Node, where wasm runs as it does in browsers."""

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from chunkport.errors import MissingDependencyError
from verify.runtimes.child_process import Child, child_process
from verify.runtimes.litert_js import MISSING_LITERT_JS, SCRIPTS, LiteRtJsSession, unfit
from verify.runtimes.programs import find_litert_js, find_node

__all__ = ["missing", "open_session", "unfit"]

_LENGTH = struct.Struct("<I")


def missing() -> str | None:
    """What it lacks here and how to get it; None where it can run."""
    if find_node() is None:
        return "there is no Node 20 or newer on the PATH; install one"
    return None if find_litert_js() else MISSING_LITERT_JS


@contextmanager
def open_session(path: Path, threads: int) -> Iterator[LiteRtJsSession]:  # noqa: ARG001 - it has one
    """A .tflite in it, until the block ends.

    Raises:
        MissingDependencyError: Node or LiteRT.js is not here.
        RuntimeError: it refuses the file, or Node came to an end.
    """
    node, litert_js = find_node(), find_litert_js()
    if node is None or litert_js is None:
        raise MissingDependencyError(missing())
    with child_process("Node", [node, SCRIPTS / "node.mjs", litert_js]) as child:
        yield LiteRtJsSession(path, _asking(child))


def _asking(child: Child) -> Callable[[bytes], bytes]:
    to_it, from_it = child.popen.stdin, child.popen.stdout
    assert to_it is not None
    assert from_it is not None

    def ask(frame: bytes) -> bytes:
        try:
            to_it.write(_LENGTH.pack(len(frame)) + frame)
            to_it.flush()
        except BrokenPipeError:
            raise child.ended() from None
        length = from_it.read(_LENGTH.size)
        if len(length) < _LENGTH.size:
            raise child.ended()
        (expected,) = _LENGTH.unpack(length)
        answer = from_it.read(expected)
        if len(answer) < expected:
            raise child.ended()
        return answer

    return ask
