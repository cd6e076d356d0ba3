"""What a model adds to a process's memory when it is loaded and run, with and without a cache.

Two kinds are kept apart. Anonymous memory is the process's own until it ends. File-backed memory
is pages of the model's files, which the system drops when it needs the room and shares between
processes. Each figure is taken in a fresh process. Linux only.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chunkport.errors import ChunkportError
from convert.isolation import run_isolated
from verify.benchmark import memory_sampler
from verify.benchmark.memory_sampler import anonymous_bytes
from verify.runtimes import LITERT

if TYPE_CHECKING:
    from verify.benchmark.contenders import Contender, Original
    from wrappers.spec import Arrays

_RUNS = 5
_NO_PROC = "memory is read from /proc, which is Linux's"


@dataclass(frozen=True)
class MemoryUse:
    """One process that loaded a model and ran it a few times.

    Attributes:
        anonymous_bytes: the most by which its anonymous memory grew, looked at every 2 ms.
        file_backed_bytes: pages of the model's files in its memory at the end.
        first_answer_ms: from opening the file to the first answer; None where no file is opened.
    """

    anonymous_bytes: int
    file_backed_bytes: int
    first_answer_ms: float | None


@dataclass(frozen=True)
class Footprint:
    """The memory of one contender; None where a figure does not apply or could not be taken.

    Attributes:
        plain: as it is loaded without further ado.
        first: with XNNPACK's weight cache, in the process that writes it.
        cached: with the cache there from before.
        cache_bytes: of the cache on disk.
        reason: why a figure is missing.
    """

    plain: MemoryUse | None = None
    first: MemoryUse | None = None
    cached: MemoryUse | None = None
    cache_bytes: int | None = None
    reason: str | None = None


def footprint(item: "Contender", original: "Original", threads: int) -> Footprint:
    """Measure a contender; for a .tflite, once more while it writes the cache, and after that."""
    if anonymous_bytes("self") is None:
        return Footprint(reason=_NO_PROC)
    if item.variant != "network" and item.runtime != LITERT:
        return Footprint(reason="its memory is not measured, only that of LiteRT, PyTorch and ONNX")
    try:
        if item.variant == "network" or item.path is None:
            return Footprint(run_isolated(_network_use, item, original, threads))
        plain = run_isolated(_file_use, item.path, original.inputs, threads)
        with tempfile.TemporaryDirectory() as folder:
            cache = Path(folder) / "weights.xnnpack"
            first, cached = (
                run_isolated(_file_use, item.path, original.inputs, threads, cache)
                for _ in range(2)
            )
            return Footprint(plain, first, cached, cache.stat().st_size)
    except (ChunkportError, RuntimeError, OSError) as error:
        return Footprint(reason=f"its memory could not be measured: {error}")


def _file_use(path: Path, inputs: "Arrays", threads: int, cache: Path | None = None) -> MemoryUse:
    """A .tflite in LiteRT's CompiledModel, which is what takes a cache. Runs in a fresh process."""
    from ai_edge_litert.compiled_model import CompiledModel
    from ai_edge_litert.environment import Environment, EnvironmentOptions
    from ai_edge_litert.options import CpuOptions, Options

    runtime = Path(sys.modules["ai_edge_litert"].__path__[0])
    environment = Environment.create(options=EnvironmentOptions(runtime_path=str(runtime)))
    cpu = CpuOptions(num_threads=threads, xnnpack_weight_cache_path=str(cache or ""))

    def open_and_prepare() -> Callable[[], object]:
        model = CompiledModel.from_file(
            str(path), environment=environment, options=Options(cpu_options=cpu)
        )
        names = model.get_signature_by_index(0)
        given, found = model.create_input_buffers(0), model.create_output_buffers(0)
        for name, buffer in zip(names["inputs"], given, strict=True):
            buffer.write(inputs[name])
        return lambda: model.run_by_index(0, given, found)

    return _use(open_and_prepare, [path] if cache is None else [path, cache])


def _network_use(item: "Contender", original: "Original", threads: int) -> MemoryUse:
    """PyTorch or ONNX Runtime, their libraries loaded before. Runs in a fresh process.

    PyTorch's weights are there before too, and are added: how a checkpoint is read is not what
    is asked here.
    """
    import torch  # noqa: F401 - its import is not the model's memory

    from verify.benchmark.contenders import opened

    spec = original.spec()
    if item.path is not None:
        import onnxruntime  # noqa: F401 - likewise

        return _use(lambda: opened(item, original, threads), [item.path])
    network = spec.open_network(original.checkpoint)
    spec.reference(network, original.inputs)
    use = _use(lambda: opened(item, original, threads, network), [])
    weights = sum(tensor.nbytes for tensor in network.state_dict().values())
    return MemoryUse(use.anonymous_bytes + weights, use.file_backed_bytes, None)


def _use(open_and_prepare: Callable[[], Callable[[], object]], files: Sequence[Path]) -> MemoryUse:
    before = anonymous_bytes("self") or 0
    with _watched() as peak:
        started = time.perf_counter()
        run = open_and_prepare()
        run()
        first_answer_ms = (time.perf_counter() - started) * 1e3
        for _ in range(_RUNS):
            run()
    return MemoryUse(max(peak() - before, 0), _resident_pages(files), first_answer_ms)


@contextmanager
def _watched() -> Iterator[Callable[[], int]]:
    """A sampler beside this process while the block runs; afterwards, what it saw."""
    command = [sys.executable, "-I", "-S", memory_sampler.__file__, str(os.getpid())]
    seen: list[int] = []
    with subprocess.Popen(  # noqa: S603 - our own program
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as sampler:
        assert sampler.stdout is not None
        sampler.stdout.readline()
        yield lambda: seen[0]
        seen.append(int(sampler.communicate()[0]))


def _resident_pages(files: Sequence[Path]) -> int:
    """Bytes of these files that lie in this process's memory."""
    wanted = {str(path.resolve()) for path in files}
    total, counts = 0, False
    for line in Path("/proc/self/smaps").read_text(encoding="utf-8").splitlines():
        words: list[Any] = line.split(maxsplit=5)
        if not words[0].endswith(":"):  # "address perms offset device inode path" begins a mapping
            counts = len(words) > 5 and words[5] in wanted  # noqa: PLR2004 - of six words
        elif counts and words[0] == "Rss:":
            total += int(words[1]) * 1024
    return total
