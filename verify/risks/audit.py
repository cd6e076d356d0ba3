"""Runs the parts of an audit and gathers what they found."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from chunkport.errors import BadInputError
from convert.card import Card, read_card
from verify.judge import first_line, measure
from verify.limits import limits_for
from verify.reference import compute_reference
from verify.risks.analyzer import ask_analyzer
from verify.risks.delegate import DelegateRun, run_on_delegate
from verify.risks.findings import Finding, Part, RiskAudit
from verify.risks.graph import read_ops
from verify.risks.half_model import write_half_model
from verify.risks.plain_run import PlainRun
from verify.risks.ranges import check_values
from verify.risks.rules import check_ops
from verify.verdict import Check, against_limit
from wrappers.registry import find_spec, model_names
from wrappers.spec import BuildOptions, Contract, ModelSpec, at_most

if TYPE_CHECKING:
    from wrappers.spec import Arrays

_ROUNDED = "rounded to float16 on this CPU"
_ON_DELEGATE = "on the GPU delegate in float16"
_SAME = 1e-3  # relative L2 norm: float32 on a GPU adds in another order, no more
_RELATIVE_L2 = "relative_l2"
_GENERIC = at_most(_RELATIVE_L2, 0.01)
_ON_DELEGATE_AT_MOST = 2  # samples: a GPU's kernels are slow on a CPU
_FAULTS = (ValueError, RuntimeError)


@dataclass(frozen=True)
class _Subject:
    """The file's inputs, and what its outputs are compared with."""

    words: str
    inputs: "Sequence[Arrays]"
    expected: "Sequence[Arrays]"
    spec: ModelSpec | None
    contract: Contract | None
    precision: str


def audit_file(
    path: Path,
    *,
    model: str | None = None,
    checkpoint: Path | None = None,
    samples: int = 4,
    seed: int = 0,
    use_delegate: bool = True,
    on_part: Callable[[str], None] = lambda _name: None,
) -> RiskAudit:
    """Everything that is known of the risks of one .tflite on a phone's GPU.

    Args:
        path: the file.
        model: registered name or FILE.py:NAME of its ModelSpec, where its card names none.
        checkpoint: what it was made from; without it outputs are compared with the file's own on
            the CPU.
        samples: how many inputs.
        seed: which.
        use_delegate: run the file on the runtime's GPU delegate too.
        on_part: told of each part as it begins.

    Raises:
        BadInputError: the file is no .tflite or cannot run, or the checkpoint is another model's.
        UsageError: no such model.
    """
    ops = read_ops(path)
    on_part("reading the ops")
    findings = list(check_ops(ops))
    parts = [Part("rules for ops and shapes", ran=True, note=f"{len(ops)} ops")]
    part, objections = ask_analyzer(path)
    findings += objections
    parts.append(part)
    subject = _subject(path, model, checkpoint, samples, seed)
    on_part("running on samples")
    try:
        findings += check_values(path, ops, subject.inputs)
    except _FAULTS as error:
        parts.append(Part("values on samples", ran=False, note=first_line(error)))
    else:
        parts.append(Part("values on samples", ran=True, note=subject.words))
    float16: dict[str, tuple[Check, ...]] = {}
    on_part("rounding to float16")
    part, outputs = _rounded(path, subject.inputs)
    parts.append(part)
    if outputs:
        float16[_ROUNDED] = tuple(_worth(subject, outputs))
    if use_delegate:
        on_part("on the GPU delegate")
        for part, more, outputs in _on_delegate(path, subject):
            parts.append(part)
            findings += more
            if outputs:
                float16[_ON_DELEGATE] = tuple(_worth(subject, outputs))
    else:
        parts.append(Part("the runtime's GPU delegate", ran=False, note="not asked for"))
    findings += [found for place, checks in float16.items() for found in _failed(place, checks)]
    return RiskAudit(
        path, subject.words, len(subject.inputs), tuple(findings), tuple(parts), float16
    )


def _subject(
    path: Path, model: str | None, checkpoint: Path | None, samples: int, seed: int
) -> _Subject:
    card = read_card(path)
    name = model or (card.model if card and card.model in model_names() else None)
    try:
        run = PlainRun(path, keep_all=False)
        if card is None or name is None:
            why = (
                "it has no card" if card is None else f"its model '{card.model}' is not registered"
            )
            words = f"{samples} random inputs from N(0, 1), because {why}: real ones may be larger"
            inputs = _random(run, samples, seed)
            expected = [run.run(item) for item in inputs]
            return _Subject(words, inputs, expected, None, None, "fp16")
        options = BuildOptions.from_json(card.options)
        spec, contract = find_spec(name, options), Contract.from_json(card.contract)
        inputs = spec.make_samples(contract, samples, seed)
        words = f"{samples} samples of '{spec.name}', seed {seed}"
        if checkpoint is None:
            expected = [run.run(item) for item in inputs]
            return _Subject(words, inputs, expected, spec, contract, _precision(card))
    except (*_FAULTS, TypeError, KeyError) as error:
        raise BadInputError(f"{path}: does not run on the CPU: {first_line(error)}") from error
    reference = compute_reference(name, checkpoint, samples, seed, options=options)
    return _Subject(
        words, reference.inputs, reference.outputs, spec, reference.contract, _precision(card)
    )


def _precision(card: Card) -> str:
    """The precision whose limits hold: float16 of a float file, or what the file lost already."""
    return "fp16" if card.precision == "fp32" else card.precision


def _random(run: PlainRun, samples: int, seed: int) -> "list[Arrays]":
    rng = np.random.default_rng(seed)
    types = run.input_types()
    return [
        {
            name: rng.standard_normal(shape).astype(types[name])
            for name, shape in run.input_shapes().items()
        }
        for _ in range(samples)
    ]


def _rounded(path: Path, inputs: "Sequence[Arrays]") -> "tuple[Part, list[Arrays] | None]":
    name = "the whole model in float16, by rounding"
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "rounded.tflite"
        try:
            write_half_model(path, copy)
            run = PlainRun(copy, keep_all=False)
            outputs: list[Arrays] = [run.run(item) for item in inputs]
        except _FAULTS as error:
            return Part(name, ran=False, note=first_line(error)), None
    note = (
        "every stored value and weight; within an op a GPU may lose more, up to four times so far"
    )
    return Part(name, ran=True, note=note), outputs


def _on_delegate(
    path: Path, subject: _Subject
) -> "Iterator[tuple[Part, list[Finding], list[Arrays] | None]]":
    """In float32, where only the delegate itself can be wrong, and in float16."""
    name = "the runtime's GPU delegate, in {}".format
    inputs = subject.inputs[:_ON_DELEGATE_AT_MOST]
    first = run_on_delegate(path, inputs, float32=True)
    refusals = [
        Finding(
            "delegate_refuses", "blocks", "", "", None,
            f"the GPU delegate of this runtime says: {text}",
        )
        for text in first.refused
    ]  # fmt: skip
    if first.outputs is None:
        yield Part(name("float32"), bool(refusals), first.reason), refusals, None
        return
    exact = PlainRun(path, keep_all=False)
    own = [exact.run(item) for item in inputs]
    error = _relative_l2(own, first.outputs)
    wrong = [] if error <= _SAME else [_wrong(error)]
    note = f"computed by {first.adapter}; {error:.2g} from the CPU's outputs"
    yield Part(name("float32"), ran=True, note=note), wrong + refusals, None
    second = run_on_delegate(path, inputs, float32=False)
    yield _in_float16(name("float16"), first, second)


def _in_float16(
    name: str, first: DelegateRun, second: DelegateRun
) -> "tuple[Part, list[Finding], list[Arrays] | None]":
    if second.outputs is None or first.outputs is None:
        return Part(name, ran=False, note=second.reason), [], None
    pairs = zip(first.outputs, second.outputs, strict=True)
    if all(np.array_equal(one[key], other[key]) for one, other in pairs for key in one):
        note = f"{second.adapter} has no float16: it computed in float32 again"
        return Part(name, ran=False, note=note), [], None
    return Part(name, ran=True, note=f"computed by {second.adapter}"), [], second.outputs


def _wrong(error: float) -> Finding:
    return Finding(
        "delegate_wrong",
        "wrong",
        "",
        "",
        None,
        "the GPU delegate of this runtime takes the file and answers otherwise than the CPU, "
        "in float32 already",
        value=error,
        limit=_SAME,
    )


def _worth(subject: _Subject, outputs: "Sequence[Arrays]") -> Iterator[Check]:
    """The outputs in the terms of the task where the model is known, else as a distance."""
    if subject.spec is None or subject.contract is None:
        value = _relative_l2(subject.expected[: len(outputs)], outputs)
        words = "distance from the outputs in float32, relative to their norm"
        yield against_limit(_RELATIVE_L2, words, value, _GENERIC)
        return
    with np.errstate(all="ignore"):  # infinities are what is looked for
        yield from measure(
            subject.spec,
            limits_for(subject.spec, subject.precision),
            subject.contract,
            subject.expected[: len(outputs)],
            outputs,
        )


def _relative_l2(expected: "Sequence[Arrays]", actual: "Sequence[Arrays]") -> float:
    pairs = [
        (np.asarray(one[key], np.float64), np.asarray(other[key], np.float64))
        for one, other in zip(expected, actual, strict=True)
        for key in one
    ]
    error = sum(float(np.square(one - other).sum()) for one, other in pairs)
    norm = sum(float(np.square(one).sum()) for one, _ in pairs)
    return float(np.sqrt(error / norm)) if norm else float(np.sqrt(error))


def _failed(place: str, checks: Sequence[Check]) -> Iterator[Finding]:
    for check in checks:
        if check.passed is False:
            words = f"{place}, {check.name} is past its limit: {check.explanation}"
            yield Finding(
                "float16_verdict", "wrong", "", "", None, words, value=check.value,
                limit=check.limit,
            )  # fmt: skip
