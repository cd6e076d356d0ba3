"""The interpreter that LiteRT and TensorFlow both have, in names and shapes."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wrappers.spec import Arrays


class InterpreterSession:
    """A .tflite in such an interpreter.

    Raises:
        ValueError, RuntimeError: the interpreter refuses the file.
    """

    def __init__(self, load: Callable[[], Any]) -> None:
        started = time.perf_counter()
        self._interpreter = load()
        self._interpreter.allocate_tensors()
        self.init_ms = (time.perf_counter() - started) * 1e3
        names = self._interpreter.get_signature_list()
        signature = _Unsigned(self._interpreter)
        if names:
            signature = self._interpreter.get_signature_runner(next(iter(names)))
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
        return self._read()

    def prepared(self, inputs: "Arrays") -> Callable[[], None]:
        """The inference alone, its inputs in place, to be timed."""
        for name, (index, _) in self._inputs.items():
            self._interpreter.set_tensor(index, inputs[name])
        invoke: Callable[[], None] = self._interpreter.invoke
        return invoke

    def time_runs(self, inputs: "Arrays", runs: int) -> list[float]:
        """Milliseconds of each run, from inputs in place to outputs."""
        invoke, times = self.prepared(inputs), []
        for _ in range(runs):
            started = time.perf_counter()
            invoke()
            self._read()
            times.append((time.perf_counter() - started) * 1e3)
        return times

    def _read(self) -> "Arrays":
        return {
            name: self._interpreter.get_tensor(index) for name, (index, _) in self._outputs.items()
        }


class _Unsigned:
    """The inputs and outputs of a file without a signature, by the names of their tensors."""

    def __init__(self, interpreter: Any) -> None:
        self._interpreter = interpreter

    def get_input_details(self) -> dict[str, Any]:
        """As a signature has them."""
        return {detail["name"]: detail for detail in self._interpreter.get_input_details()}

    def get_output_details(self) -> dict[str, Any]:
        """As a signature has them."""
        return {detail["name"]: detail for detail in self._interpreter.get_output_details()}
