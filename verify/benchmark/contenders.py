"""The forms of a model that are measured, and what runs each."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convert.card import read_card
from convert.onnx_export import OnnxNetwork
from verify.benchmark.timing import TimeRuns, by_our_clock
from verify.runtimes import LITERT, Runtime, find_runtime
from verify.runtimes.litert import LiteRtSession
from wrappers.registry import find_spec
from wrappers.spec import BuildOptions, ModelSpec

if TYPE_CHECKING:
    from wrappers.spec import Arrays

PYTORCH, ONNX_RUNTIME = "pytorch", "onnxruntime"
_OPENED_HERE = (PYTORCH, ONNX_RUNTIME, LITERT)


@dataclass(frozen=True)
class Contender:
    """One form of the model: the network in PyTorch, the same as ONNX, or a .tflite.

    Attributes:
        name: what the tables call it.
        runtime: what runs it.
        precision: of a .tflite, as its card says.
        variant: "network", or of a .tflite "rewritten" or "plain".
        path: of its file; None for PyTorch, and for what could not be made.
        reason: why it cannot be measured; None where it can.
    """

    name: str
    runtime: str
    precision: str
    variant: str
    path: Path | None = None
    reason: str | None = None


@dataclass(frozen=True, eq=False)
class Original:
    """What all contenders are forms of, in values that cross into another process.

    Attributes:
        model: name of its ModelSpec.
        checkpoint: the network's.
        inputs: that every run is given.
        options: how the model is built.
    """

    model: str
    checkpoint: Path
    inputs: "Arrays"
    options: BuildOptions | None = None

    def spec(self) -> ModelSpec:
        """The model."""
        return find_spec(self.model, self.options)


EAGER = Contender("PyTorch eager", PYTORCH, "fp32", "network")


def contender_of(path: Path, name: str | None = None) -> Contender:
    """A .tflite as a contender, named and classed by its card."""
    card = read_card(path)
    precision, variant = (card.precision, card.variant) if card else ("unknown", "unknown")
    return Contender(name or path.name, LITERT, precision, variant, path)


def in_runtime(item: Contender, runtime: Runtime) -> Contender:
    """A .tflite, run there and not in LiteRT; with the reason where that runtime is not here."""
    name = f"{item.name.removesuffix('.tflite')} in {runtime.name}"
    return replace(item, name=name, runtime=runtime.name, reason=runtime.missing())


def timer(
    item: Contender, original: Original, threads: int, network: Any, stack: ExitStack
) -> TimeRuns:
    """What times runs of a contender, loaded and its inputs in place, until the stack is closed.

    Takes and raises as `opened` does.
    """
    if item.path is None or item.runtime in _OPENED_HERE:
        return by_our_clock(opened(item, original, threads, network))
    session = stack.enter_context(find_runtime(item.runtime).open(item.path, threads))
    return lambda runs: [taken / 1e3 for taken in session.time_runs(original.inputs, runs)]


def opened(
    item: Contender, original: Original, threads: int, network: Any = None
) -> Callable[[], object]:
    """One run of PyTorch, ONNX Runtime or LiteRT, loaded and the inputs in place.

    Args:
        item: one without a reason against it.
        original: what it is a form of.
        threads: of its runtime.
        network: in PyTorch, for the contender that is it.

    Raises:
        MissingDependencyError: its runtime is not installed.
        ConversionError, ValueError, RuntimeError: its runtime refuses it.
    """
    if item.path is not None and item.runtime == LITERT:
        return LiteRtSession(item.path, threads).prepared(original.inputs)
    import torch

    spec = original.spec()
    if item.path is not None:
        network = OnnxNetwork(item.path, threads)

    def run() -> object:
        torch.set_num_threads(threads)  # one number for the process, changed from turn to turn
        return spec.reference(network, original.inputs)

    return run
