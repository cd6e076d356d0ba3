"""What runs a .tflite, as data: one row here per runtime, and one file, which gives a session."""

import importlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from chunkport.choices import did_you_mean
from chunkport.errors import UsageError

if TYPE_CHECKING:
    from wrappers.spec import Arrays


class Session(Protocol):
    """A loaded model."""

    def input_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of its inputs, by name."""

    def output_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of its outputs, by name."""

    def run(self, inputs: "Arrays") -> "Arrays":
        """Outputs by name for inputs by name."""


class TimedSession(Session, Protocol):
    """A loaded model that is timed where it runs, without the way there and back.

    Attributes:
        init_ms: what loading it took, the runtime itself being loaded already.
    """

    init_ms: float

    def time_runs(self, inputs: "Arrays", runs: int) -> list[float]:
        """Milliseconds of each run, by the runtime's own clock: from inputs in place to outputs."""


@dataclass(frozen=True)
class Runtime:
    """One way to run a .tflite.

    Attributes:
        name: as given to `--runtime`.
        summary: what it is, in plain words.
        module: has `open_session(path, threads)`, and `missing()` which says what is not installed
            and how to get it, or None; and `unfit(path)` where it takes not all files, which says
            why it cannot take this one. It is imported when it is used.
        tolerance: by precision, how far its outputs may be from LiteRT's, as a part of the largest
            of LiteRT's. None for LiteRT itself.
        takes_threads: whether it computes in as many threads as asked for; else in one.
    """

    name: str
    summary: str
    module: str
    tolerance: Mapping[str, float] | None
    takes_threads: bool = True

    def missing(self) -> str | None:
        """What it lacks here and how to get it; None where it can run."""
        said: str | None = importlib.import_module(self.module).missing()
        return said

    def unfit(self, path: Path) -> str | None:
        """Why it cannot run such a file, whatever is installed; None where nothing speaks against.

        Raises:
            BadInputError: it is no .tflite, or a damaged one.
        """
        ask = getattr(importlib.import_module(self.module), "unfit", None)
        said: str | None = ask(path) if ask else None
        return said

    def open(self, path: Path, threads: int) -> AbstractContextManager[TimedSession]:
        """Load a .tflite, until the block ends.

        Raises:
            MissingDependencyError: the runtime is not here.
            ValueError, RuntimeError: it refuses the file, or came to an end.
        """
        opened: AbstractContextManager[TimedSession] = importlib.import_module(
            self.module
        ).open_session(path, threads)
        return opened


# Float results differ by the order of additions. With integer weights runtimes round activations
# anew in every layer, where a difference in the last bit can become one of a whole step: little of
# 16 bits, more of 8, and weights of 4 bits carry it on with errors of their own.
_FINE = {"fp32": 1e-4, "fp16": 1e-4, "int16x8": 1e-3}
_INT8 = ("int8-dynamic", "int8-static")
_INT4 = ("int4-dynamic", "int4-block32", "mixed")
_ROUNDING = _FINE | dict.fromkeys(_INT8, 0.03) | dict.fromkeys(_INT4, 0.05)
# Kernels other than XNNPACK's round activations around 0 and not to where most of them are.
_OTHER_KERNELS = _FINE | dict.fromkeys(_INT8, 0.1) | dict.fromkeys(_INT4, 0.2)
LITERT = "litert"

RUNTIMES = (
    Runtime(LITERT, "LiteRT with XNNPACK, as on phone CPUs", "verify.runtimes.litert", None),
    Runtime(
        "litert-builtin",
        "LiteRT's own kernels, without XNNPACK",
        "verify.runtimes.litert_builtin",
        _OTHER_KERNELS,
    ),
    Runtime("tensorflow", "TensorFlow's interpreter", "verify.runtimes.tensorflow", _ROUNDING),
    Runtime(
        "node",
        "LiteRT.js in Node, one thread",
        "verify.runtimes.node",
        _ROUNDING,
        takes_threads=False,
    ),
    Runtime(
        "chromium",
        "LiteRT.js in Chromium, one thread",
        "verify.runtimes.chromium",
        _ROUNDING,
        takes_threads=False,
    ),
)


def find_runtime(name: str) -> Runtime:
    """The row of that name.

    Raises:
        UsageError: there is none.
    """
    for row in RUNTIMES:
        if row.name == name:
            return row
    names = [row.name for row in RUNTIMES]
    meant = did_you_mean(name, names)
    raise UsageError(f"unknown runtime '{name}'.{meant} Runtimes: {', '.join(names)}")
