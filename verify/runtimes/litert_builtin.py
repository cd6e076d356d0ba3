"""The LiteRT interpreter's own kernels: what is left of it without XNNPACK."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from verify.runtimes.litert import LiteRtSession, missing

__all__ = ["missing", "open_session"]


@contextmanager
def open_session(path: Path, threads: int) -> Iterator[LiteRtSession]:
    """A .tflite in it, until the block ends; raises as `LiteRtSession`."""
    yield LiteRtSession(path, threads, xnnpack=False)
