"""The network or a .tflite on many inputs, in parts that any worker may take."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from verify.distribution import Workers
from verify.inputs import Inputs
from verify.runtimes.litert import LiteRtSession
from wrappers.registry import find_spec
from wrappers.spec import BuildOptions, Contract, ModelSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wrappers.spec import Arrays

_LARGEST_PART = 16  # inputs
_PARTS_EACH = 4  # for a worker that is done to take over from one that is not


@dataclass(frozen=True)
class Part:
    """Some of the inputs: samples themselves, and where pictures are."""

    samples: "Sequence[Arrays]"
    pictures: tuple[Path, ...]


@dataclass
class _Model:
    """What a worker must know of a model to make the inputs of a part."""

    model: str
    options: BuildOptions | None
    contract: Contract

    @cached_property
    def spec(self) -> ModelSpec:
        """Looked up by the worker, as it may hold functions that cannot be sent."""
        return find_spec(self.model, self.options)

    def inputs(self, part: Part) -> Inputs:
        return Inputs(self.spec, self.contract, part.samples, part.pictures)


@dataclass
class NetworkRun(_Model):
    """The network on parts."""

    checkpoint: Path

    @cached_property
    def _network(self) -> Any:
        return self.spec.open_network(self.checkpoint)

    def __call__(self, part: Part) -> "list[Arrays]":
        """The network's answers to the inputs of a part."""
        return [self.spec.reference(self._network, item) for item in self.inputs(part)]


@dataclass
class FileRun(_Model):
    """A .tflite on parts, in the runtime's `threads`."""

    path: Path
    threads: int

    @cached_property
    def _session(self) -> LiteRtSession:
        return LiteRtSession(self.path, self.threads)

    def __call__(self, part: Part) -> "list[Arrays]":
        """The file's answers to the inputs of a part."""
        return [self._session.run(item) for item in self.inputs(part)]


def run_in_parts(
    run: Callable[[Part], "list[Arrays]"],
    inputs: "Sequence[Arrays]",
    workers: Workers,
    on_sample: Callable[..., None],
) -> "list[Arrays]":
    """The answers to all inputs, in order.

    Raises:
        WorkerDiedError: two workers died of the same part.
        Exception: whatever the run raises.
    """
    outputs: list[Arrays] = []
    for answers in workers.map_in_order(run, parts_of(inputs, workers.count)):
        outputs += answers
        on_sample(len(answers))
    return outputs


def parts_of(inputs: "Sequence[Arrays]", workers: int) -> Iterator[Part]:
    """The inputs in their order, in parts of one size; pictures are not read for it."""
    samples: Sequence[Arrays] = inputs
    pictures: tuple[Path, ...] = ()
    if isinstance(inputs, Inputs):
        samples, pictures = inputs.samples, inputs.pictures
    size = min(math.ceil(len(inputs) / (workers * _PARTS_EACH)), _LARGEST_PART)
    first = len(samples)
    for start in range(0, len(inputs), size):
        end = start + size
        yield Part(samples[start:end], pictures[max(start - first, 0) : max(end - first, 0)])
