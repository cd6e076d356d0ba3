"""TensorFlow's interpreter, which apps made before LiteRT still ship."""

import importlib
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chunkport.errors import MissingDependencyError
from verify.runtimes.interpreter import InterpreterSession
from verify.runtimes.litert import native_stderr_hidden

_MISSING = "TensorFlow is not installed; pip install 'chunkport[tensorflow]'"


def missing() -> str | None:
    """What it lacks here and how to get it; None where it can run."""
    try:
        _import_lite()
    except MissingDependencyError as error:
        return str(error)
    return None


@contextmanager
def open_session(path: Path, threads: int) -> Iterator[InterpreterSession]:
    """A .tflite in it, until the block ends.

    Raises:
        MissingDependencyError: TensorFlow is not installed.
        ValueError, RuntimeError: the interpreter refuses the file.
    """
    lite = _import_lite()
    with native_stderr_hidden(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that its interpreter moves to LiteRT
        session = InterpreterSession(
            lambda: lite.Interpreter(model_path=str(path), num_threads=threads)
        )
    yield session


def _import_lite() -> Any:
    """Raises MissingDependencyError where it is not installed, or lies there and cannot start."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # no word about the machine's instructions
    with native_stderr_hidden(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module("tensorflow").lite
        except ModuleNotFoundError as error:
            if error.name == "tensorflow":
                raise MissingDependencyError(_MISSING) from error
            reason = str(error)
        except (ImportError, AttributeError) as error:
            reason = str(error).strip().split("\n")[0]
    raise MissingDependencyError(
        f"TensorFlow is here and cannot be imported ({reason}); install it anew"
    )
