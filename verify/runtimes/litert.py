"""The LiteRT interpreter: with XNNPACK, as phones run it on their CPUs, or with its own kernels."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from chunkport.errors import MissingDependencyError

if TYPE_CHECKING:
    from wrappers.spec import Arrays


class LiteRtSession:
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
            raise MissingDependencyError(
                "ai-edge-litert is not installed; pip install ai-edge-litert"
            ) from error
        kernels = OpResolverType.AUTO
        if not xnnpack:
            kernels = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        with native_stderr_hidden():
            self._interpreter = Interpreter(
                model_path=str(path), num_threads=threads, experimental_op_resolver_type=kernels
            )
            self._interpreter.allocate_tensors()
        names = self._interpreter.get_signature_list()
        signature = self._interpreter.get_signature_runner(next(iter(names)) if names else None)
        self._inputs = {
            name: (detail["index"], tuple(int(n) for n in detail["shape"]))
            for name, detail in signature.get_input_details().items()
        }
        self._outputs = {
            name: (detail["index"], tuple(int(n) for n in detail["shape"]))
            for name, detail in signature.get_output_details().items()
        }

    def input_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of its inputs, by name."""
        return {name: shape for name, (_, shape) in self._inputs.items()}

    def output_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of its outputs, by name."""
        return {name: shape for name, (_, shape) in self._outputs.items()}

    def run(self, inputs: "Arrays") -> "Arrays":
        """Outputs by name for inputs by name."""
        self.prepared(inputs)()
        return {
            name: self._interpreter.get_tensor(index) for name, (index, _) in self._outputs.items()
        }

    def prepared(self, inputs: "Arrays") -> Callable[[], None]:
        """The inference alone, its inputs in place, to be timed."""
        for name, (index, _) in self._inputs.items():
            self._interpreter.set_tensor(index, inputs[name])
        invoke: Callable[[], None] = self._interpreter.invoke
        return invoke


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
        raise MissingDependencyError(
            "ai-edge-litert is not installed; pip install ai-edge-litert"
        ) from error
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
