"""TensorFlow's interpreter, which apps made before LiteRT still ship."""

import importlib.util
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chunkport.errors import MissingDependencyError
from verify.runtimes.interpreter import InterpreterSession
from verify.runtimes.litert import native_stderr_hidden

_MISSING = "TensorFlow is not installed; pip install 'chunkport[tensorflow]'"


def missing() -> str | None:
    """What it lacks here and how to get it; None where it can run."""
    return None if importlib.util.find_spec("tensorflow") else _MISSING


@contextmanager
def open_session(path: Path, threads: int) -> Iterator[InterpreterSession]:
    """A .tflite in it, until the block ends.

    Raises:
        MissingDependencyError: TensorFlow is not installed.
        ValueError, RuntimeError: the interpreter refuses the file.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # no word about the machine's instructions
    with native_stderr_hidden(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that its interpreter moves to LiteRT
        try:
            from tensorflow import lite
        except ImportError as error:
            raise MissingDependencyError(_MISSING) from error
        session = InterpreterSession(
            lambda: lite.Interpreter(model_path=str(path), num_threads=threads)
        )
    yield session
