"""Run a function in a fresh process, so that its memory and its chatter stay away from ours."""

import ctypes
import gc
import multiprocessing
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, TypeVar

from chunkport.errors import ConversionError

Result = TypeVar("Result")
_TAIL_LINES = 5
_MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD of malloc.h
_LARGE_BLOCK = 1 << 20


def run_isolated(
    function: Callable[..., Result], *arguments: Any, show_output: bool = False
) -> Result:
    """Call a module-level function in a new process and give back what it returns or raises.

    Its output, native code's too, goes to our stderr with `show_output` and nowhere without.

    Raises:
        ConversionError: the process died; with the last lines that it wrote.
    """
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "output.txt"
        with ProcessPoolExecutor(
            max_workers=1,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_set_up,
            initargs=(None if show_output else log, list(sys.path)),
        ) as executor:
            try:
                return executor.submit(function, *arguments).result()
            except BrokenProcessPool as error:
                tail = (
                    log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
                    if log.is_file()
                    else []
                )
                raise ConversionError(
                    "the converting process died, most often for want of memory; its last words: "
                    + (" | ".join(tail) or "none")
                ) from error


def _set_up(log: Path | None, path: list[str]) -> None:
    """Prepare the new process: our import path, its output in one place, frugal habits."""
    sys.path[:] = path
    sys.stdout.flush()
    sink = 2 if log is None else os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    return_freed_memory()
    # A traced model is a great many objects that live to the end: by default they would be
    # searched for garbage over and over, a fifth of the time that a conversion takes.
    gc.set_threshold(100_000, 50, 1000)


def return_freed_memory() -> None:
    """Have large blocks go back to the system when they are freed, where libc can be told.

    By itself glibc keeps them as soon as one was freed, and what little lies between them keeps
    them for good: a gigabyte, after a pass over the weights of a large model, or over thousands of
    pictures whose answers are kept.
    """
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE_BLOCK)
