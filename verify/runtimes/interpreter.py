"""The interpreter that LiteRT and TensorFlow both have, in names, shapes and fractions."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from wrappers.spec import Arrays


@dataclass(frozen=True)
class _Port:
    """An input or an output.

    Attributes:
        index: of its tensor.
        scale: what a 1 of its integers is worth; 0 where its numbers stand for themselves.
        zero_point: the integer that stands for 0.
    """

    index: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: float
    zero_point: int

    @classmethod
    def of(cls, detail: Any) -> "_Port":
        """From what the interpreter tells of a tensor."""
        scale, zero_point = detail["quantization"]
        shape = tuple(int(size) for size in detail["shape"])
        return cls(detail["index"], shape, np.dtype(detail["dtype"]), float(scale), int(zero_point))

    def narrowed(self, values: NDArray[Any]) -> NDArray[Any]:
        """What the runtime is given for these values."""
        if not self.scale or values.dtype == self.dtype:
            return values
        ends = np.iinfo(self.dtype)
        steps = np.rint(values / np.float32(self.scale)) + self.zero_point
        whole: NDArray[Any] = np.clip(steps, ends.min, ends.max).astype(self.dtype)
        return whole

    def widened(self, values: NDArray[Any]) -> NDArray[Any]:
        """What the runtime's numbers stand for."""
        if not self.scale:
            return values
        exact: NDArray[Any] = values.astype(np.float32) - self.zero_point
        return exact * np.float32(self.scale)


class InterpreterSession:
    """A .tflite in such an interpreter.

    It takes fractions and gives fractions, also where a file's inputs and outputs are integers
    that stand for some.

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
        self._inputs, self._outputs = (
            {name: _Port.of(detail) for name, detail in details.items()}
            for details in (signature.get_input_details(), signature.get_output_details())
        )

    def input_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of its inputs, by name."""
        return {name: port.shape for name, port in self._inputs.items()}

    def output_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of its outputs, by name."""
        return {name: port.shape for name, port in self._outputs.items()}

    def run(self, inputs: "Arrays") -> "Arrays":
        """Outputs by name for inputs by name."""
        self.prepared(inputs)()
        return {name: self._outputs[name].widened(values) for name, values in self._read().items()}

    def prepared(self, inputs: "Arrays") -> Callable[[], None]:
        """The inference alone, its inputs in place, to be timed."""
        for name, port in self._inputs.items():
            self._interpreter.set_tensor(port.index, port.narrowed(inputs[name]))
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
        """The outputs as the runtime has them."""
        return {
            name: self._interpreter.get_tensor(port.index) for name, port in self._outputs.items()
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
