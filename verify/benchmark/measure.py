"""Measures every contender at every number of threads, all in turn in one process.

A slow or busy moment of the machine then falls on all of them alike: trust the ratios more than
the times.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chunkport.errors import ChunkportError
from verify.benchmark.arithmetic import flop_per_op, network_flop
from verify.benchmark.contenders import EAGER, Contender, Original, timer
from verify.benchmark.delegation import Delegation, delegation
from verify.benchmark.machine import SGEMM_FLOP, sgemm
from verify.benchmark.memory import Footprint, footprint
from verify.benchmark.timing import TimeRuns, Times, by_our_clock, take_turns
from verify.judge import run_on_samples
from verify.metrics import METRICS, stacked
from verify.reference import Reference
from verify.runtimes import LITERT
from verify.runtimes.litert import LiteRtSession

if TYPE_CHECKING:
    from torch import nn

_NOISY = 0.15  # of the median, between rounds of one and the same work
_UNSTEADY = 1.0  # likewise: a median out of such rounds says nothing


@dataclass(frozen=True)
class Form:
    """What is true of a contender at any number of threads; None where it does not apply.

    Attributes:
        contender: whose figures they are.
        size_bytes: of its file; for PyTorch, of the network's state dict.
        flop: of one run: for a .tflite as its own ops have it, else as the network has it.
        psnr_db: against PyTorch, where the model's outputs are images.
        delegation: how much of a .tflite XNNPACK takes.
        footprint: its memory.
    """

    contender: Contender
    size_bytes: int | None
    flop: int | None
    psnr_db: float | None
    delegation: Delegation | None
    footprint: Footprint


@dataclass(frozen=True)
class Measured:
    """A contender at a number of threads; None where a figure does not apply.

    Attributes:
        form: the contender and what else is known of it.
        threads: of its runtime.
        times: of its runs; None where it cannot run.
        speed_vs_pytorch: PyTorch's median latency over this one's, at these threads.
        speed_vs_plain: likewise, that of the conversion without rewrites in the same precision.
        gflop_per_s: its arithmetic over its fastest run, which other work delays least.
        share_of_sgemm: that over the speed of PyTorch's matrix product, of its fastest run too.
        reason: why it cannot run.
    """

    form: Form
    threads: int
    times: Times | None
    speed_vs_pytorch: float | None = None
    speed_vs_plain: float | None = None
    gflop_per_s: float | None = None
    share_of_sgemm: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Benchmark:
    """All that was measured.

    Attributes:
        forms: PyTorch's, then the contenders'.
        rows: of each of these, at each number of threads.
        sgemm: the matrix product that the machine's speed is known by, per number of threads.
    """

    forms: tuple[Form, ...]
    rows: tuple[Measured, ...]
    sgemm: Mapping[int, Times]

    def sgemm_gflop_per_s(self, threads: int) -> float:
        """The machine's speed."""
        return SGEMM_FLOP / self.sgemm[threads].min_ms / 1e6

    @property
    def noise(self) -> float | None:
        """The median of all spreads between rounds; None for a single round."""
        timed = [*self.sgemm.values(), *(row.times for row in self.rows if row.times)]
        spreads = [times.spread for times in timed if times.spread is not None]
        return statistics.median(spreads) if spreads else None

    @property
    def noisy(self) -> bool:
        """Whether the machine was too busy for the times to be trusted."""
        return (self.noise or 0) > _NOISY

    @property
    def unsteady(self) -> list[str]:
        """The contenders whose own rounds were so far apart that their ratios say nothing."""
        found = [
            row.form.contender.name
            for row in self.rows
            if row.times and (row.times.spread or 0) > _UNSTEADY
        ]
        return list(dict.fromkeys(found))


def measure(
    original: Original,
    contenders: Sequence[Contender],
    reference: Reference,
    *,
    threads: Sequence[int],
    rounds: int,
    on_turn: Callable[[], None] = lambda: None,
    on_form: Callable[[], None] = lambda: None,
    with_memory: bool = True,
) -> Benchmark:
    """Measure PyTorch and every contender, interleaved.

    Args:
        original: what they are forms of.
        contenders: beside PyTorch.
        reference: PyTorch's answers, for the fidelity.
        threads: the numbers of them that are tried.
        rounds: turns that each gets at each number of threads.
        on_turn: told after every turn of each, and of sgemm, at each number of threads.
        on_form: told after every contender's memory; there is one more than contenders.
        with_memory: whether that is measured too.
    """
    network = original.spec().open_network(original.checkpoint)
    items = [EAGER, *contenders]
    faults: dict[Contender, str] = {item: item.reason for item in items if item.reason}
    timers: dict[tuple[Contender | None, int], TimeRuns] = {}
    with ExitStack() as stack:  # what it holds is not to be in memory twice
        for count in threads:
            timers[None, count] = by_our_clock(sgemm(count))
            for item in items:
                if item in faults:
                    continue
                try:
                    timers[item, count] = timer(item, original, count, network, stack)
                    timers[item, count](1)
                except (ChunkportError, ValueError, RuntimeError) as error:
                    faults[item] = f"it does not run: {' '.join(str(error).split())[:200]}"
        able = {key: time_runs for key, time_runs in timers.items() if key[0] not in faults}
        times = take_turns(able, rounds, on_turn)
        timers.clear()
        able.clear()
    forms = []
    for item in items:
        forms.append(
            _form_not_run(item, faults[item])
            if item in faults
            else _form(item, original, network, reference, max(threads) if with_memory else None)
        )
        on_form()
    rows = _rows(forms, threads, times, faults)
    return Benchmark(tuple(forms), rows, {count: times[None, count] for count in threads})


def _form_not_run(item: Contender, fault: str) -> Form:
    size_bytes = item.path.stat().st_size if item.path else None
    return Form(item, size_bytes, None, None, None, Footprint(reason=fault))


def _form(
    item: Contender,
    original: Original,
    network: "nn.Module",
    reference: Reference,
    memory_threads: int | None,
) -> Form:
    taken = psnr_db = None
    if item.path is not None and item.runtime == LITERT:
        session = LiteRtSession(item.path, 1)
        taken = delegation(item.path, session)
        psnr_db = _psnr(session, reference)
    state_bytes = sum(tensor.nbytes for tensor in network.state_dict().values())
    return Form(
        contender=item,
        size_bytes=item.path.stat().st_size if item.path else state_bytes,
        flop=sum(flop_per_op(item.path))
        if item.path and item.variant != "network"
        else network_flop(reference.spec, network, original.inputs),
        psnr_db=psnr_db,
        delegation=taken,
        footprint=Footprint()
        if memory_threads is None
        else footprint(item, original, memory_threads),
    )


def _rows(
    forms: Sequence[Form],
    threads: Sequence[int],
    times: Mapping[tuple[Contender | None, int], Times],
    faults: Mapping[Contender, str],
) -> tuple[Measured, ...]:
    rows = []
    for count in threads:
        plain = {
            item.precision: taken.p50_ms
            for (item, used), taken in times.items()
            if item and (item.variant, item.runtime) == ("plain", LITERT) and used == count
        }
        for form in forms:
            item = form.contender
            if item in faults:
                rows.append(Measured(form, count, None, reason=faults[item]))
                continue
            taken = times[item, count]
            like = plain.get(item.precision) if item.runtime == LITERT else None
            speed = (form.flop or 0) / taken.min_ms / 1e6
            rows.append(
                Measured(
                    form,
                    count,
                    taken,
                    speed_vs_pytorch=times[EAGER, count].p50_ms / taken.p50_ms,
                    speed_vs_plain=like / taken.p50_ms if like else None,
                    gflop_per_s=speed,
                    share_of_sgemm=speed / (SGEMM_FLOP / times[None, count].min_ms / 1e6),
                )
            )
    return tuple(rows)


def _psnr(session: LiteRtSession, reference: Reference) -> float | None:
    if "psnr_db" not in reference.spec.metrics or not reference.outputs:
        return None
    outputs = run_on_samples(session, reference.inputs, lambda: None)
    name = reference.contract.outputs[0].name
    lowest, highest = reference.spec.output_span
    return METRICS["psnr_db"].measure(
        stacked(reference.outputs, name), stacked(outputs, name), highest - lowest
    )
