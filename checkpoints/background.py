"""Saving while training goes on: one thread, one save at a time, no error lost."""

import atexit
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

import torch

from checkpoints.checked_file import ABANDONED
from checkpoints.restoring import restore
from checkpoints.saving import announce_on_stderr
from checkpoints.tree import flatten

_UNDOING_SECONDS = 30.0
_TURN_SECONDS = 0.1


def snapshot(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with copies of all tensors in the CPU's memory; tied weights stay tied.

    Raises:
        UsageError: a value that a checkpoint does not store; the message says where.
    """
    tree, leaves = flatten(values)
    copies = [
        leaf.tensor.to("cpu", copy=True, memory_format=torch.contiguous_format) for leaf in leaves
    ]
    restored: dict[str, Any] = restore(tree, copies)
    return restored


class BackgroundSaver:
    """Runs one save at a time in a thread of its own.

    What a save raises is raised by the next call: `submit`, `wait` or `close`. `close` waits for
    the save under way, at the latest when the program ends. Ctrl+C while it waits abandons the
    save: the checkpoint before it stays whole.
    """

    def __init__(self, announce: Callable[[str], None] = announce_on_stderr) -> None:
        self._announce = announce
        self._idle = threading.Event()
        self._idle.set()
        self._abandoned = threading.Event()
        self._error: Exception | None = None
        atexit.register(self.close)

    def submit(self, save: Callable[[], None]) -> None:
        """Wait for the save under way, then start this one and return.

        Raises:
            Exception: whatever the save before raised; this one is then not started.
        """
        self.wait()
        self._idle.clear()
        # A daemon, so that a program that was told twice to stop does stop.
        threading.Thread(target=self._run, args=(save,), name="save", daemon=True).start()

    def wait(self) -> None:
        """Wait until no save is under way.

        Raises:
            Exception: whatever it raised.
        """
        # Unlike Thread.join, unharmed by a Ctrl+C in the middle of it. In turns, because a wait
        # without an end does not notice a Ctrl+C that comes in the instant in which it begins.
        while not self._idle.wait(_TURN_SECONDS):
            pass
        error, self._error = self._error, None
        if error is not None:
            raise error

    def close(self) -> None:
        """As `wait`; a Ctrl+C meanwhile abandons the save, which takes moments, and goes on.

        Raises:
            Exception: whatever the save raised.
        """
        self._finish(announcement=None)

    def _finish(self, announcement: str | None) -> None:
        """Close; a Ctrl+C counts from the announcement on, for that is what it answers."""
        try:
            atexit.unregister(self.close)
            if announcement is not None and not self._idle.is_set():
                self._announce(announcement)
            self.wait()
        except KeyboardInterrupt:
            self._abandoned.set()
            self._idle.wait(_UNDOING_SECONDS)
            raise

    def __enter__(self) -> "BackgroundSaver":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
            return
        try:
            self._finish("Finishing the save under way; Ctrl+C abandons it.")
        except Exception as failure:  # noqa: BLE001 - the error that ends the run is the one to see
            self._announce(f"Warning: the last save failed: {failure}")

    def _run(self, save: Callable[[], None]) -> None:
        ABANDONED.set(self._abandoned)
        try:
            save()
        except Exception as error:  # noqa: BLE001 - raised again by the next call
            if not self._abandoned.is_set():
                self._error = error
        finally:
            self._idle.set()
