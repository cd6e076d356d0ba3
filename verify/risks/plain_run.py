"""A .tflite run op by op as it stands, with every value left to be looked at."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from verify.risks.graph import Tensor
from verify.runtimes.litert import native_stderr_hidden

if TYPE_CHECKING:
    from wrappers.spec import Arrays


class PlainRun:
    """The LiteRT interpreter without delegates, keeping the values of every tensor.

    Raises:
        ValueError, RuntimeError: it refuses the file.
    """

    def __init__(self, path: Path, *, keep_all: bool = True) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        with native_stderr_hidden():
            self._interpreter = Interpreter(
                model_path=str(path),
                num_threads=2,
                experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
                experimental_preserve_all_tensors=keep_all,
            )
            self._interpreter.allocate_tensors()
        names = self._interpreter.get_signature_list()
        signature = self._interpreter.get_signature_runner(next(iter(names)) if names else None)
        self._inputs: dict[str, dict[str, Any]] = signature.get_input_details()
        self._outputs: dict[str, dict[str, Any]] = signature.get_output_details()

    def input_details(self) -> dict[str, tuple[tuple[int, ...], type[np.generic]]]:
        """Shape and dtype of each input, by name."""
        return {
            name: (tuple(map(int, detail["shape"])), detail["dtype"])
            for name, detail in self._inputs.items()
        }

    def on(self, inputs: "Arrays") -> dict[str, NDArray[np.float32]]:
        """Run on inputs by name; gives outputs by name."""
        for name, detail in self._inputs.items():
            self._interpreter.set_tensor(detail["index"], inputs[name])
        self._interpreter.invoke()
        return {
            name: self._interpreter.get_tensor(detail["index"])
            for name, detail in self._outputs.items()
        }

    def values(self, tensor: Tensor) -> NDArray[Any]:
        """The values that a tensor had in the last run."""
        found: NDArray[Any] = self._interpreter.get_tensor(tensor.index)
        return found
