"""Size, latency and memory of the same model in several forms, measured side by side.

All contenders run in turn in one process, so that a slow or busy moment of the machine falls on
all of them alike: trust the ratios more than the times.
"""

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from convert.card import read_card
from convert.isolation import run_isolated
from verify.judge import run_on_samples
from verify.metrics import METRICS, stacked
from verify.reference import Reference
from verify.runtimes.litert import LiteRtSession
from wrappers.registry import find_spec
from wrappers.spec import BuildOptions

Key = TypeVar("Key")
PYTORCH = "pytorch"
_WARM_UPS = 2  # runs per turn that fill the caches again
_TURN_SECONDS = 0.05  # of timed runs per turn, within these bounds on their number
_FEWEST, _MOST = 3, 20
_PAUSE_SECONDS = 0.005  # lets the threads of the one before go to sleep
_MEMORY_RUNS = 5


@dataclass(frozen=True)
class Contender:
    """One form of the model: the network in PyTorch, or a .tflite."""

    name: str
    runtime: str
    precision: str
    variant: str
    path: Path | None = None


@dataclass(frozen=True)
class Measured:
    """One row of the table; None where a figure does not apply or could not be taken.

    Attributes:
        size_bytes: of the .tflite; for PyTorch, of the network's state dict.
        peak_memory_bytes: growth of the process's resident memory while it loads and runs.
        speed_vs_pytorch: PyTorch's median latency over this one's.
        speed_vs_plain: likewise, that of the conversion without rewrites in the same precision.
        psnr_db: against PyTorch, where the model's outputs are images.
        reason: why a figure is missing.
    """

    name: str
    runtime: str
    precision: str
    variant: str
    size_bytes: int
    latency_p50_ms: float
    latency_p90_ms: float
    latency_min_ms: float
    peak_memory_bytes: int | None
    speed_vs_pytorch: float | None
    speed_vs_plain: float | None
    psnr_db: float | None
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The row as plain JSON values."""
        return asdict(self)


def contender_of(path: Path, name: str | None = None) -> Contender:
    """A .tflite as a contender, named and classed by its card."""
    card = read_card(path)
    precision, variant = (card.precision, card.variant) if card else ("unknown", "unknown")
    return Contender(name or path.name, "litert", precision, variant, path)


def measure(
    model: str,
    checkpoint: Path,
    contenders: list[Contender],
    reference: Reference,
    *,
    threads: int,
    rounds: int,
    options: BuildOptions | None = None,
    on_turn: Callable[[], None] = lambda: None,
) -> list[Measured]:
    """Measure PyTorch and every contender, interleaved.

    Args:
        model: name of the ModelSpec.
        checkpoint: the network's.
        contenders: the .tflite files.
        reference: PyTorch's answers, for the fidelity column and the inputs.
        threads: of every runtime.
        rounds: turns that each contender gets.
        options: how the model was built.
        on_turn: told after every turn; there are rounds x (contenders + 1).
    """
    import torch

    torch.set_num_threads(threads)
    spec, sample = reference.spec, reference.inputs[0]
    network = spec.open_network(checkpoint)
    sessions = {item: LiteRtSession(_path(item), threads) for item in contenders}
    eager = Contender("PyTorch eager", PYTORCH, "fp32", "network")
    runs: dict[Contender, Callable[[], object]] = {eager: lambda: spec.reference(network, sample)}
    runs |= {item: session.prepared(sample) for item, session in sessions.items()}
    times = interleave(runs, rounds, on_turn)
    p50 = {item: statistics.median(values) for item, values in times.items()}
    plain = {item.precision: p50[item] for item in contenders if item.variant == "plain"}
    state_bytes = sum(tensor.nbytes for tensor in network.state_dict().values())
    rows = []
    for item, values in times.items():
        opened = sessions.get(item)
        memory = run_isolated(_peak_memory, model, options, checkpoint, item, threads)
        rows.append(
            Measured(
                name=item.name,
                runtime=item.runtime,
                precision=item.precision,
                variant=item.variant,
                size_bytes=item.path.stat().st_size if item.path else state_bytes,
                latency_p50_ms=p50[item] * 1e3,
                latency_p90_ms=statistics.quantiles(values, n=10)[-1] * 1e3,
                latency_min_ms=min(values) * 1e3,
                peak_memory_bytes=memory,
                speed_vs_pytorch=p50[eager] / p50[item],
                speed_vs_plain=plain[item.precision] / p50[item]
                if opened and item.precision in plain
                else None,
                psnr_db=_psnr(opened, reference) if opened else None,
                reason=None if memory else "peak memory is read from /proc, which is Linux's",
            )
        )
    return rows


def interleave(
    runs: Mapping[Key, Callable[[], object]], rounds: int, on_turn: Callable[[], None]
) -> dict[Key, list[float]]:
    """Seconds of every timed run: each round gives each contender a turn, in rotating order."""
    times: dict[Key, list[float]] = {item: [] for item in runs}
    order = list(runs)
    for _ in range(rounds):
        for item in order:
            time.sleep(_PAUSE_SECONDS)
            warm = [_seconds(runs[item]) for _ in range(_WARM_UPS)]
            count = min(max(round(_TURN_SECONDS / min(warm)), _FEWEST), _MOST)
            times[item].extend(_seconds(runs[item]) for _ in range(count))
            on_turn()
        order.append(order.pop(0))
    return times


def _seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    names = [
        line.split(":", 1)[1].strip()
        for line in _lines(Path("/proc/cpuinfo"))
        if line.startswith("model name")
    ]
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def _psnr(session: LiteRtSession, reference: Reference) -> float | None:
    if "psnr_db" not in reference.spec.metrics or not reference.outputs:
        return None
    outputs = run_on_samples(session, reference.inputs, lambda: None)
    name = reference.contract.outputs[0].name
    lowest, highest = reference.spec.output_span
    return METRICS["psnr_db"].measure(
        stacked(reference.outputs, name), stacked(outputs, name), highest - lowest
    )


def _peak_memory(
    model: str, options: BuildOptions | None, checkpoint: Path, item: Contender, threads: int
) -> int | None:
    """Bytes by which loading and running grow a fresh process; None where /proc is missing."""
    import torch

    torch.set_num_threads(threads)
    spec = find_spec(model, options)
    network = spec.open_network(checkpoint)
    sample = spec.make_samples(spec.contract(network), 1, 0)[0]
    if item.path is not None:
        from ai_edge_litert import interpreter  # noqa: F401 - its import is not the model's memory
    before = _resident("VmRSS")
    if before is None:
        return None
    weights = 0
    if item.path is None:
        weights = sum(tensor.nbytes for tensor in network.state_dict().values())
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets the peak
    session = LiteRtSession(item.path, threads) if item.path else None
    for _ in range(_MEMORY_RUNS):
        if session:
            session.run(sample)
        else:
            spec.reference(network, sample)
    peak = _resident("VmHWM")
    return None if peak is None else peak - before + weights


def _resident(key: str) -> int | None:
    for line in _lines(Path("/proc/self/status")):
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    return None


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []


def _path(item: Contender) -> Path:
    assert item.path is not None
    return item.path
