"""A file that is written from front to end and knows its checksum."""

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from errno import ECANCELED
from pathlib import Path
from threading import Event
from typing import IO

ABANDONED: ContextVar[Event | None] = ContextVar("ABANDONED", default=None)
"""Once this is set in the writer's context, nothing more is written: a save in a thread can be
called off."""


class CheckedFile:
    """Passes bytes on to a file; keeps their number, what went wrong and, if asked, their CRC-32.

    It cannot seek, so that what it has counted is what the file holds.
    """

    def __init__(self, file: IO[bytes], *, sums: bool = True) -> None:
        self._file = file
        self._sums = sums
        self.crc32 = 0
        self.size_bytes = 0
        self.failure: OSError | None = None

    def write(self, data: bytes | memoryview) -> int:
        """Write all of `data`.

        Raises:
            OSError: the disk refuses, or the save is `ABANDONED`; also kept in `failure`, for
                callers that hide it.
        """
        if self._sums:
            self.crc32 = zlib.crc32(data, self.crc32)
        self.size_bytes += len(data)
        try:
            _refuse_if_abandoned()
            return self._file.write(data)
        except OSError as error:
            self.failure = error
            raise

    def flush(self) -> None:
        """Hand everything to the operating system."""
        self._file.flush()

    def close(self) -> None:
        """Nothing: whoever opened the file closes it."""


def _refuse_if_abandoned() -> None:
    abandoned = ABANDONED.get()
    if abandoned is not None and abandoned.is_set():
        raise OSError(ECANCELED, os.strerror(ECANCELED))


@contextmanager
def new_file(target: Path, *, sums: bool = True) -> Iterator[CheckedFile]:
    """A file that is not there yet; on success it is on the disk when the block ends."""
    with target.open("xb") as file:
        yield CheckedFile(file, sums=sums)
        file.flush()
        os.fsync(file.fileno())
