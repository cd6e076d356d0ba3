"""The same file on the same inputs in other runtimes: whether they answer as LiteRT does."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chunkport.errors import MissingDependencyError
from verify.judge import first_line, run_on_samples
from verify.metrics import METRICS, stacked
from verify.reference import Reference
from verify.runtimes import LITERT, RUNTIMES, Runtime, find_runtime
from verify.subject import Subject

if TYPE_CHECKING:
    from verify.runtimes import TimedSession
    from wrappers.spec import Arrays

ALL = "all"
_TIMED_MS = 500.0  # of timed runs, within these bounds on their number
_FEWEST, _MOST = 5, 20


@dataclass(frozen=True)
class Agreement:
    """One file in one runtime, beside LiteRT; None where a figure does not apply or was not taken.

    Attributes:
        summary: what the runtime is, in plain words.
        agrees: whether the difference is within the tolerance; None where it could not run.
        largest_difference: from LiteRT's outputs, as a part of the largest of these.
        tolerance: what is stated of it for the file's precision.
        bits_flipped: message bits read otherwise than by LiteRT.
        psnr_db: of pictures, beside LiteRT's; infinite where they are the same.
        latency_p50_ms: by the runtime's own clock, from inputs in place to outputs.
        init_ms: to load the file into the runtime, which is running already.
        reason: why it disagrees or could not run.
    """

    path: Path
    precision: str
    runtime: str
    summary: str
    threads: int
    agrees: bool | None
    largest_difference: float | None = None
    tolerance: float | None = None
    bits_flipped: int | None = None
    psnr_db: float | None = None
    latency_p50_ms: float | None = None
    init_ms: float | None = None
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The row as plain JSON values."""
        return {**asdict(self), "path": str(self.path)}


def choose_runtimes(names: Sequence[str]) -> tuple[Runtime, ...]:
    """LiteRT, which the others are compared with, and the ones named; `all` names every one.

    Raises:
        UsageError: there is no such runtime, or a variable that names a program names none.
        MissingDependencyError: one that is named is not here; of `all` it shows in its row.
    """
    if not names:
        return ()
    named = [find_runtime(name) for name in names if name != ALL]
    chosen = tuple(row for row in RUNTIMES if ALL in names or row in named or row.name == LITERT)
    for row in chosen:  # before the long work, not after it
        if (lack := row.missing()) is not None and row in named:
            raise MissingDependencyError(f"--runtime {row.name}: {lack}")
    return chosen


def compare_runtimes(
    subject: Subject,
    reference: Reference,
    litert_outputs: "Sequence[Arrays] | None",
    runtimes: Sequence[Runtime],
    *,
    threads: int,
    on_sample: Callable[[], None] = lambda: None,
) -> list[Agreement]:
    """One row per runtime for one file.

    Args:
        subject: the file.
        reference: has the inputs; what the network answers is not asked here.
        litert_outputs: LiteRT's, one per input; None where it did not get so far.
        runtimes: as chosen.
        threads: of the runtimes that take a number of them.
        on_sample: told after every input of every runtime.
    """
    rows = []
    for runtime in runtimes:
        used = threads if runtime.takes_threads else 1
        row = Agreement(
            subject.path, subject.precision, runtime.name, runtime.summary, used, agrees=None
        )
        lack = runtime.missing() or runtime.unfit(subject.path)
        if lack is None and litert_outputs is None:
            lack = "there are no outputs of LiteRT to compare with"
        if lack is not None or litert_outputs is None:
            rows.append(Agreement(**{**vars(row), "reason": lack}))
            continue
        try:
            with runtime.open(subject.path, used) as session:
                outputs = run_on_samples(session, reference.inputs, on_sample)
                found = {
                    "latency_p50_ms": _latency_p50_ms(session, reference.inputs[0]),
                    "init_ms": session.init_ms,
                    **_beside_litert(runtime, row.precision, reference, litert_outputs, outputs),
                }
        except (ValueError, RuntimeError, LookupError) as error:  # also outputs of other names
            found = {"agrees": False, "reason": first_line(error)}
        rows.append(Agreement(**{**vars(row), **found}))
    return rows


def _beside_litert(
    runtime: Runtime,
    precision: str,
    reference: Reference,
    litert: "Sequence[Arrays]",
    outputs: "Sequence[Arrays]",
) -> dict[str, Any]:
    if runtime.tolerance is None:
        return {"agrees": True}
    difference, tolerance = _largest_difference(litert, outputs), runtime.tolerance[precision]
    found: dict[str, Any] = {
        "agrees": difference <= tolerance,  # NaN is not
        "largest_difference": difference,
        "tolerance": tolerance,
        **_in_terms_of_the_task(reference, litert, outputs),
    }
    if not found["agrees"]:
        found["reason"] = f"{difference:.3g} from LiteRT's outputs, at most {tolerance:g} is stated"
    return found


def _largest_difference(litert: "Sequence[Arrays]", outputs: "Sequence[Arrays]") -> float:
    """Over all inputs and outputs, as a part of the largest value of the same output."""
    largest = 0.0
    for name in litert[0]:
        expected = stacked(litert, name).astype(np.float64)
        difference = float(np.abs(stacked(outputs, name) - expected).max())
        if difference != 0:
            with np.errstate(divide="ignore"):
                largest = float(np.max([largest, difference / np.abs(expected).max()]))
    return largest


def _in_terms_of_the_task(
    reference: Reference, litert: "Sequence[Arrays]", outputs: "Sequence[Arrays]"
) -> dict[str, float]:
    spec = reference.spec
    names = [output.name for output in reference.contract.outputs]
    pair, found = (stacked(litert, *names), stacked(outputs, *names)), dict[str, float]()
    if "bits_flipped" in spec.metrics:
        found["bits_flipped"] = int(METRICS["bits_flipped"].measure(*pair, 0))
    if "psnr_db" in spec.metrics:
        lowest, highest = spec.output_span
        found["psnr_db"] = METRICS["psnr_db"].measure(*pair, highest - lowest)
    return found


def _latency_p50_ms(session: "TimedSession", sample: "Arrays") -> float:
    """Of a runtime that has answered all samples, and so is warm."""
    once = min(session.time_runs(sample, 2))
    count = min(max(round(_TIMED_MS / once), _FEWEST), _MOST) if once else _MOST
    return statistics.median(session.time_runs(sample, count))
