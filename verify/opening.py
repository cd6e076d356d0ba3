"""Opens a file to be judged; one that nobody can vouch for is tried in a process of its own."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from chunkport.errors import ConversionError
from convert.isolation import run_isolated
from verify.runtimes.litert import LiteRtSession
from verify.subject import Subject

if TYPE_CHECKING:
    from verify.runtimes import Session
    from wrappers.spec import Arrays


def open_session(subject: Subject, threads: int, sample: "Arrays") -> "Session":
    """The file in the runtime, which does not survive every damaged one.

    A sealed file is known to be as it was written. Another is loaded, and run on the sample, in
    another process first.

    Raises:
        MissingDependencyError: the runtime is not installed.
        ValueError, RuntimeError: the runtime refuses the file, or died of it.
    """
    if not subject.sealed:
        try:
            run_isolated(_try, subject.path, threads, sample)
        except ConversionError as error:
            raise RuntimeError("the runtime dies of it; the file is damaged") from error
    return LiteRtSession(subject.path, threads)


def _try(path: Path, threads: int, sample: "Arrays") -> None:
    session = LiteRtSession(path, threads)
    with contextlib.suppress(ValueError, RuntimeError, LookupError):  # told by rows of their own
        session.run(sample)
