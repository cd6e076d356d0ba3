"""Runs the checks: a .tflite on seeded samples against the network on the original weights."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from chunkport.errors import BadInputError, UsageError
from chunkport.files import sha256_of
from convert.card import Card, read_card
from convert.precision import PRECISIONS, find_precision
from verify.metrics import METRICS, stacked
from verify.reference import Reference
from verify.runtimes.litert import LiteRtSession
from verify.verdict import Check, Verdict, against_limit, informing, skipped, yes_or_no
from wrappers.registry import find_spec, model_names
from wrappers.spec import BuildOptions, Contract, ModelSpec

if TYPE_CHECKING:
    from verify.runtimes import Session
    from wrappers.spec import Arrays

_LOADS = "opens in the runtime"
_SIGNATURE = "inputs and outputs have the names and shapes of the contract"
_LINEAGE = "its card names the checkpoint that it is compared with"
_RUNS = "computes without an error"
_RANGE = "outputs are finite and inside the range of the contract"
_REPEATS = "the same input gives the same output twice"
_NO_CHECKPOINT = "there is no checkpoint to compare with"
_ROUNDING = 1e-6  # tanh in float32 may step over 1 by this


@dataclass(frozen=True)
class Subject:
    """A .tflite to be judged and what it says it is.

    Attributes:
        model: registered name or FILE.py:NAME of its ModelSpec. A card holds no place of code, so
            that no file decides what is run.
    """

    path: Path
    model: str
    precision: str
    card: Card | None
    options: BuildOptions = field(default_factory=BuildOptions)


def identify(path: Path, model: str | None = None, precision: str | None = None) -> Subject:
    """What the file's card says, or what the caller says of a file without one.

    Raises:
        BadInputError: no .tflite, it has no card and the caller did not say what it is, or its
            card names no precision of the table.
        UsageError: the caller contradicts the card, or its model is not registered and the caller
            named no spec.
    """
    card = read_card(path)
    name = None if model is None else find_spec(model).name
    if card is None:
        if model is None or precision is None:
            raise BadInputError(
                f"{path}: has no chunkport card; say what it is with --model and --precision"
            )
        return Subject(path, model, find_precision(precision).name, None)
    if name not in (None, card.model):
        raise UsageError(f"{path}: its card says model '{card.model}', not '{name}'")
    if name is None and card.model not in model_names():
        raise UsageError(
            f"{path}: its card says model '{card.model}', which is not registered; name its spec "
            "with --spec FILE.py:NAME"
        )
    if card.precision not in [row.name for row in PRECISIONS]:
        raise BadInputError(
            f"{path}: its card names the precision '{card.precision}', which is unknown; "
            "update chunkport or convert the checkpoint again"
        )
    if precision is not None and find_precision(precision).name != card.precision:
        raise UsageError(f"{path}: its card says precision '{card.precision}', not '{precision}'")
    try:
        options = BuildOptions.from_json(card.options)
    except TypeError as error:
        raise BadInputError(
            f"{path}: its card has options of a later chunkport ({error}); update chunkport"
        ) from error
    return Subject(path, model or card.model, card.precision, card, options)


def judge(
    subject: Subject,
    reference: Reference,
    threads: int,
    on_sample: Callable[[], None] = lambda: None,
    on_outputs: "Callable[[list[Arrays]], None]" = lambda _outputs: None,
) -> Verdict:
    """Every check of one file; a check that cannot run is a row with its reason.

    `on_outputs` is handed the outputs that are judged, one per sample, once the file has run.
    """
    return Verdict(
        path=subject.path,
        model=subject.model,
        precision=subject.precision,
        size_bytes=subject.path.stat().st_size,
        sha256=sha256_of(subject.path),
        samples=len(reference.inputs),
        seed=reference.seed,
        checks=tuple(_checks(subject, reference, threads, on_sample, on_outputs)),
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
    threads: int,
    on_sample: Callable[[], None],
    on_outputs: "Callable[[list[Arrays]], None]",
) -> Iterator[Check]:
    yield _lineage(subject, reference)
    try:
        session = LiteRtSession(subject.path, threads)
    except (ValueError, RuntimeError) as error:
        yield yes_or_no("loads", _LOADS, _first_line(error))
        yield from _all_skipped(reference.spec, "the file did not load", after="loads")
        return
    yield yes_or_no("loads", _LOADS, None)
    fault = _signature_fault(session, reference)
    yield yes_or_no("signature", _SIGNATURE, fault)
    if fault:
        yield from _all_skipped(reference.spec, "the signature differs", after="signature")
        return
    try:
        outputs = run_on_samples(session, reference.inputs, on_sample)
        again = session.run(reference.inputs[0])
    except (ValueError, RuntimeError) as error:
        yield yes_or_no("runs", _RUNS, _first_line(error))
        yield from _all_skipped(reference.spec, "the file did not run", after="runs")
        return
    yield yes_or_no("runs", _RUNS, None)
    on_outputs(outputs)
    yield yes_or_no("range", _RANGE, _range_fault(outputs, reference.spec))
    same = all(np.array_equal(outputs[0][name], again[name]) for name in again)
    yield yes_or_no("repeats", _REPEATS, None if same else "two runs on one input differ")
    yield from _measured(subject, reference, outputs)


def _lineage(subject: Subject, reference: Reference) -> Check:
    if subject.card is None:
        return skipped("lineage", _LINEAGE, "the file has no card")
    if reference.checkpoint_sha256 is None:
        return skipped("lineage", _LINEAGE, _NO_CHECKPOINT)
    made_from = subject.card.checkpoint["sha256"]
    same = made_from == reference.checkpoint_sha256
    fault = f"made from {made_from[:12]}, compared with {reference.checkpoint_sha256[:12]}"
    return yes_or_no("lineage", _LINEAGE, None if same else fault)


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


def _measured(
    subject: Subject, reference: Reference, outputs: "Sequence[Arrays]"
) -> Iterator[Check]:
    spec = reference.spec
    if reference.checkpoint_sha256 is None:
        for name in spec.metrics:
            yield skipped(name, METRICS[name].explanation, _NO_CHECKPOINT)
        return
    yield from measure(spec, subject.precision, reference.contract, reference.outputs, outputs)


def measure(
    spec: ModelSpec,
    precision: str,
    contract: Contract,
    expected: "Sequence[Arrays]",
    actual: "Sequence[Arrays]",
) -> Iterator[Check]:
    """One check per metric of the model, on the network's outputs and others of the same inputs."""
    limits = {limit.metric: limit for limit in spec.limits.get(precision, ())}
    span = spec.output_span[1] - spec.output_span[0]
    names = [output.name for output in contract.outputs]
    for name in spec.metrics:
        metric = METRICS[name]
        value = metric.measure(stacked(expected, *names), stacked(actual, *names), span)
        if metric.informs:
            yield informing(name, metric.explanation, value)
        else:
            yield against_limit(name, metric.explanation, value, limits.get(name))


def _all_skipped(spec: ModelSpec, reason: str, after: str) -> Iterator[Check]:
    """The rows that would have followed, each with the reason why it is empty."""
    order = {"loads": 0, "signature": 1, "runs": 2, "range": 3, "repeats": 4}
    texts = (_LOADS, _SIGNATURE, _RUNS, _RANGE, _REPEATS)
    for name, place in order.items():
        if place > order[after]:
            yield skipped(name, texts[place], reason)
    for name in spec.metrics:
        yield skipped(name, METRICS[name].explanation, reason)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
