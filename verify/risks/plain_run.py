"""A .tflite run op by op as it stands, with every value left to be looked at."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from verify.runtimes.interpreter import InterpreterSession
from verify.runtimes.litert import native_stderr_hidden

if TYPE_CHECKING:
    from verify.risks.graph import Tensor

_THREADS = 2


class PlainRun(InterpreterSession):
    """The LiteRT interpreter without delegates, keeping the values of every tensor.

    Raises:
        ValueError, RuntimeError: it refuses the file.
    """

    def __init__(self, path: Path, *, keep_all: bool = True) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        def load() -> Any:
            return Interpreter(
                model_path=str(path),
                num_threads=_THREADS,
                experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
                experimental_preserve_all_tensors=keep_all,
            )

        with native_stderr_hidden():
            super().__init__(load)

    def input_types(self) -> dict[str, type[np.generic]]:
        """The dtype of each input, by name: float32 too where integers stand for fractions."""
        return {
            name: np.float32 if port.scale else port.dtype.type
            for name, port in self._inputs.items()
        }

    def values(self, tensor: "Tensor") -> NDArray[Any]:
        """The values that a tensor had in the last run."""
        found: NDArray[Any] = self._interpreter.get_tensor(tensor.index)
        return found
