"""The LiteRT interpreter, with XNNPACK as phones run it on their CPUs."""

import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chunkport.errors import MissingDependencyError
from verify.runtimes.interpreter import InterpreterSession

_MISSING = "ai-edge-litert is not installed; pip install ai-edge-litert"


class LiteRtSession(InterpreterSession):
    """A .tflite in the LiteRT interpreter.

    Without `xnnpack` every op is computed by the interpreter's own kernels: what differs then is
    of the delegate, and what does not is of the file.

    Raises:
        MissingDependencyError: ai-edge-litert is not installed.
        ValueError, RuntimeError: the interpreter refuses the file.
    """

    def __init__(self, path: Path, threads: int, *, xnnpack: bool = True) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter, OpResolverType
        except ImportError as error:
            raise MissingDependencyError(_MISSING) from error
        kernels = OpResolverType.AUTO
        if not xnnpack:
            kernels = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES

        def load() -> Any:
            return Interpreter(
                model_path=str(path), num_threads=threads, experimental_op_resolver_type=kernels
            )

        with native_stderr_hidden():
            super().__init__(load)

    def nodes(self) -> list[dict[str, Any]]:
        """What it executes, as the runtime lists it: all ops of the file, then its delegates.

        Each has an "index", an "op_name" and the tensors that are its "inputs" and "outputs".
        """
        found: list[dict[str, Any]] = self._interpreter._get_ops_details()  # noqa: SLF001 - no other
        return found


def missing() -> str | None:
    """What it lacks here and how to get it; None where it can run."""
    return None if importlib.util.find_spec("ai_edge_litert") else _MISSING


@contextmanager
def open_session(path: Path, threads: int) -> Iterator[LiteRtSession]:
    """A .tflite in it, until the block ends; raises as `LiteRtSession`."""
    yield LiteRtSession(path, threads)


def wholly_on_xnnpack(path: Path) -> bool:
    """Whether XNNPACK takes every op of the file, so that nothing falls back to slower kernels.

    Raises:
        MissingDependencyError: ai-edge-litert is not installed.
        RuntimeError: it refuses the file.
    """
    try:
        from ai_edge_litert.compiled_model import CompiledModel
        from ai_edge_litert.hardware_accelerator import HardwareAccelerator
    except ImportError as error:
        raise MissingDependencyError(_MISSING) from error
    with native_stderr_hidden():
        compiled = CompiledModel.from_file(str(path), hardware_accel=HardwareAccelerator.CPU)
        return bool(compiled.is_fully_accelerated())


@contextmanager
def native_stderr_hidden() -> Iterator[None]:
    """The runtime announces its delegate there, once per process; its errors are raised."""
    sys.stderr.flush()
    saved, sink = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(sink)
