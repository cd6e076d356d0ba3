"""Runs the checks: a .tflite on seeded samples against the network on the original weights."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from chunkport.files import sha256_of
from convert.audit import find_weights
from convert.stored.weight_origins import rounding_of
from verify.coverage_check import check_coverage
from verify.distribution import Workers
from verify.limits import limits_for
from verify.metrics import METRICS, stacked
from verify.opening import open_session
from verify.reference import NO_CHECKPOINT, Reference
from verify.runs_in_parts import FileRun, run_in_parts
from verify.subject import Subject
from verify.verdict import Check, Limits, Verdict, measured, skipped, yes_or_no
from wrappers.spec import Contract, Limit, ModelSpec

if TYPE_CHECKING:
    from verify.runtimes import Session
    from wrappers.spec import Arrays

# What a file must get through before it is measured, in order; each only after the one before.
STEPS = {
    "integrity": "every bit of the file is as it was written",
    "lineage": "its card names the checkpoint that it is compared with",
    "weights": "every weight of the rewritten network is in the file, as its recipe rounds it",
    "loads": "opens in the runtime",
    "signature": "inputs and outputs have the names and shapes of the contract",
    "runs": "computes without an error",
    "range": "outputs are finite and inside the range of the contract",
    "repeats": "the same input gives the same output twice",
}
_SHOWN = 3
_ROUNDING = 1e-6  # tanh in float32 may step over 1 by this


def judge(
    subject: Subject,
    reference: Reference,
    threads: int,
    on_sample: Callable[..., None] = lambda _count=1: None,
    on_outputs: "Callable[[list[Arrays]], None]" = lambda _outputs: None,
    *,
    by_hand: Sequence[Limit] = (),
    workers: Workers | None = None,
) -> Verdict:
    """Every check of one file; a check that cannot run is a row with its reason.

    `on_outputs` is handed the outputs that are judged, one per sample, once the file has run.
    Limits set `by_hand` take the place of the model's own. With `workers` these run the file on the
    samples; `on_sample` is told of how many were done, of one by default.

    Raises:
        WorkerDiedError: two workers died of the same samples.
    """
    limits = limits_for(reference.spec, subject.precision, by_hand)
    return Verdict(
        path=subject.path,
        model=subject.model,
        precision=subject.precision,
        size_bytes=subject.path.stat().st_size,
        sha256=sha256_of(subject.path),
        samples=len(reference.inputs),
        seed=reference.seed,
        checks=tuple(
            _checks(
                *(subject, reference, limits),
                threads=threads,
                on_sample=on_sample,
                on_outputs=on_outputs,
                workers=workers,
            )
        ),
        variant=subject.card.variant if subject.card else None,
        options=subject.options.to_json(),
        asked_sha256=reference.asked_sha256,
    )


def run_on_samples(
    session: "Session", inputs: "Sequence[Arrays]", on_sample: Callable[[], None]
) -> "list[Arrays]":
    """The session's outputs for each input."""
    outputs = []
    for item in inputs:
        outputs.append(session.run(item))
        on_sample()
    return outputs


def _checks(
    subject: Subject,
    reference: Reference,
    limits: Limits,
    *,
    threads: int,
    on_sample: Callable[..., None],
    on_outputs: "Callable[[list[Arrays]], None]",
    workers: Workers | None,
) -> Iterator[Check]:
    yield _integrity(subject)
    yield _lineage(subject, reference)
    if subject.damage:
        yield from _all_skipped(reference, "a damaged file is not loaded", after="lineage")
        return
    yield _weights(subject, reference)
    yield from check_coverage(subject)
    try:
        session = open_session(subject, threads, reference.inputs[0])
    except (ValueError, RuntimeError) as error:
        yield _step("loads", first_line(error))
        yield from _all_skipped(reference, "the file did not load", after="loads")
        return
    yield _step("loads", None)
    fault = _signature_fault(session, reference)
    yield _step("signature", fault)
    if fault:
        yield from _all_skipped(reference, "the signature differs", after="signature")
        return
    try:
        if workers is None:
            outputs = run_on_samples(session, reference.inputs, on_sample)
        else:
            model = subject.model, subject.options, reference.contract
            run = FileRun(*model, subject.path, threads)
            outputs = run_in_parts(run, reference.inputs, workers, on_sample)
        again = session.run(reference.inputs[0])
    except (ValueError, RuntimeError) as error:
        yield _step("runs", first_line(error))
        yield from _all_skipped(reference, "the file did not run", after="runs")
        return
    yield _step("runs", None)
    on_outputs(outputs)
    yield _step("range", _range_fault(outputs, reference.spec))
    same = all(np.array_equal(outputs[0][name], again[name], equal_nan=True) for name in again)
    yield _step("repeats", None if same else "two runs on one input differ")
    yield from _measured(reference, limits, outputs)
    for trial in reference.trials:
        yield from trial.judge(session, limits)


def _step(name: str, fault: str | None) -> Check:
    return yes_or_no(name, STEPS[name], fault)


def _integrity(subject: Subject) -> Check:
    if subject.sealed:
        return _step("integrity", subject.damage)
    reason = "its card has no digest of its content" if subject.card else "the file has no card"
    return skipped("integrity", STEPS["integrity"], f"{reason}; convert it again")


def _lineage(subject: Subject, reference: Reference) -> Check:
    if subject.card is None:
        return skipped("lineage", STEPS["lineage"], "the file has no card")
    if reference.checkpoint_sha256 is None:
        return skipped("lineage", STEPS["lineage"], NO_CHECKPOINT)
    made_from = subject.card.checkpoint["sha256"]
    same = made_from == reference.checkpoint_sha256
    fault = f"made from {made_from[:12]}, compared with {reference.checkpoint_sha256[:12]}"
    return _step("lineage", None if same else fault)


def _weights(subject: Subject, reference: Reference) -> Check:
    """Outputs on samples show a wrong weight by what it does to them, which can be little."""
    if reference.build_wrapper is None:
        return skipped("weights", STEPS["weights"], NO_CHECKPOINT)
    if subject.card is None or subject.card.variant != "rewritten":
        reason = "the file was converted without the rewrites whose weights are known"
        return skipped("weights", STEPS["weights"], reason)
    rounding = rounding_of(subject.card)
    search = find_weights(reference.build_wrapper(), subject.path, rounding=rounding)
    more = f" and {len(search.lost) - _SHOWN} more" if len(search.lost) > _SHOWN else ""
    fault = f"{', '.join(search.lost[:_SHOWN])}{more}: not there; --per-layer says what is"
    return _step("weights", fault if search.lost else None)


def _signature_fault(session: "Session", reference: Reference) -> str | None:
    for side, found, wanted in (
        ("inputs", session.input_shapes(), reference.contract.inputs),
        ("outputs", session.output_shapes(), reference.contract.outputs),
    ):
        expected = {item.name: tuple(item.shape) for item in wanted}
        if found != expected:
            return f"{side} are {found}, expected {expected}"
    return None


def _range_fault(outputs: "Sequence[Arrays]", spec: ModelSpec) -> str | None:
    lowest, highest = spec.output_span
    for index, item in enumerate(outputs):
        for name, values in item.items():
            if not np.isfinite(values).all():
                return f"sample {index}: '{name}' holds NaN or infinity"
            least, most = float(values.min()), float(values.max())
            if least < lowest - _ROUNDING or most > highest + _ROUNDING:
                return f"sample {index}: '{name}' reaches from {least:.4g} to {most:.4g}"
    return None


def _measured(reference: Reference, limits: Limits, outputs: "Sequence[Arrays]") -> Iterator[Check]:
    if reference.checkpoint_sha256 is None:
        for name in reference.spec.metrics:
            yield skipped(name, METRICS[name].figure.explanation, NO_CHECKPOINT)
        return
    yield from measure(
        *(reference.spec, limits, reference.contract, reference.outputs, outputs),
        name_of=reference.name_of,
    )


def measure(
    spec: ModelSpec,
    limits: Limits,
    contract: Contract,
    expected: "Sequence[Arrays]",
    actual: "Sequence[Arrays]",
    *,
    name_of: Callable[[int], str] = "sample {}".format,
) -> Iterator[Check]:
    """One check per metric of the model, on the network's outputs and others of the same inputs."""
    span = spec.output_span[1] - spec.output_span[0]
    names = [output.name for output in contract.outputs]
    pair = stacked(expected, *names), stacked(actual, *names)
    for name in spec.metrics:
        metric = METRICS[name]
        worst = None
        if len(expected) > 1:
            place, alone = metric.worst(*pair, span)
            worst = f"{name_of(place)}: {alone:.4g}"
        yield measured(name, metric.figure, metric.measure(*pair, span), limits, worst)


def _all_skipped(reference: Reference, reason: str, after: str) -> Iterator[Check]:
    """The rows that would have followed, each with the reason why it is empty."""
    steps = list(STEPS)
    for name in steps[steps.index(after) + 1 :]:
        yield skipped(name, STEPS[name], reason)
    for name in reference.spec.metrics:
        yield skipped(name, METRICS[name].figure.explanation, reason)
    for trial in reference.trials:
        yield from trial.skipped(reason)


def first_line(error: Exception) -> str:
    """Of what a runtime says, the part that says what is wrong."""
    return str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
