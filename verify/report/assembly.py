"""Judges files and gathers all that the page shows of them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chunkport.errors import BadInputError
from convert.card import identify_checkpoint
from verify.attacks import Pixels
from verify.benchmark.delegation import delegation
from verify.benchmark_document import BenchmarkDocument
from verify.judge import judge, run_on_samples
from verify.marked_pictures import Bits, marked_pictures, write_message
from verify.reference import Reference, compute_reference
from verify.report import Inside, JudgedFile, Report, labels_of
from verify.report.audited import Audited, audit
from verify.report.bit_sheet import BitSheet, make_bit_sheet
from verify.report.byte_map import make_byte_map
from verify.report.candidate import Candidate
from verify.report.contact_sheet import ContactSheet, make_contact_sheet
from verify.report.examined import Examined, examine
from verify.report.lineage import trace
from verify.report.op_list import list_ops
from verify.runtime_agreement import Agreement, compare_runtimes
from verify.runtimes import Runtime
from verify.runtimes.litert import LiteRtSession
from verify.subject import Subject
from verify.trials import Drawn, TrialChoices
from verify.weight_map import weights_by_module
from wrappers.detector_intake import load_embedder_network
from wrappers.detector_pictures import fit_pixels

if TYPE_CHECKING:
    from wrappers.spec import Arrays, BuildOptions, ModelSpec


@dataclass(frozen=True)
class Request:
    """What a page is to be of.

    Attributes:
        checkpoint: what the files were made from.
        subjects: the files.
        samples: how many seeded inputs each is judged on.
        seed: of these.
        threads: of the runtime.
        pictures: a user's own, judged along with the samples.
        runtimes: others to run the files in, as `choose_runtimes` gives them.
        scenes: draws pictures to be marked, where the checkpoint holds a watermark embedder; None
            leaves that out.
        benchmark: figures that were taken before.
        audit: whether to look for risks on phone GPUs.
        per_layer: whether to examine the layers of every file; None examines those that fail.
    """

    checkpoint: Path
    subjects: Sequence[Subject]
    samples: int
    seed: int
    threads: int
    pictures: Sequence[Path] = ()
    runtimes: Sequence[Runtime] = ()
    scenes: Callable[[], Iterable[Pixels]] | None = None
    benchmark: BenchmarkDocument | None = None
    audit: bool = True
    per_layer: bool | None = None


@dataclass(frozen=True)
class _Model:
    """A model, its answers, and the files of it.

    Attributes:
        reference: the network's answers.
        files: judged.
        candidates: those that ran.
        drawn: what these drew for a trial; none of a model that has no such trial.
        agreements: how they run elsewhere.
    """

    reference: Reference
    files: tuple[JudgedFile, ...]
    candidates: tuple[Candidate, ...]
    drawn: tuple[Drawn, ...]
    agreements: tuple[Agreement, ...]


def assemble(request: Request, on_step: Callable[[str], None] = lambda _note: None) -> Report:
    """Judge the files and lay out every section but the commands.

    Raises:
        ChunkportError: as `compute_reference` does.
    """
    labels = labels_of([subject.path for subject in request.subjects])
    named = list(zip(request.subjects, labels, strict=True))
    kinds = dict.fromkeys((subject.model, subject.options) for subject in request.subjects)
    models = [
        _judged(
            request, kind, [it for it in named if (it[0].model, it[0].options) == kind], on_step
        )
        for kind in kinds
    ]
    files = tuple(file for model in models for file in model.files)
    on_step("reading the files")
    return Report(
        checkpoint=str(request.checkpoint),
        models={it.reference.spec.name: it.reference.spec.summary for it in models},
        files=files,
        sheets=tuple(_contact_sheets(models)),
        bits=tuple(sheet for model in models for sheet in _bit_sheets(request, model)),
        audits=tuple(_audits(request, models, on_step)),
        examined=tuple(_examined(request, models, on_step)),
        agreements=tuple(row for model in models for row in model.agreements),
        insides=tuple(_insides(models, request)),
        chains=trace(files, identify_checkpoint(request.checkpoint)),
        benchmark=request.benchmark,
    )


def _judged(
    request: Request,
    kind: "tuple[str, BuildOptions]",
    named: Sequence[tuple[Subject, str]],
    on_step: Callable[[str], None],
) -> _Model:
    name, options = kind
    on_step(name)
    drawn: list[Drawn] = []
    reference = compute_reference(
        *(name, request.checkpoint, request.samples, request.seed),
        options=options,
        pictures=request.pictures,
        trials=TrialChoices(),
        on_note=on_step,
        on_drawn=drawn.append,
    )
    files, candidates, agreements = [], [], list[Agreement]()
    for subject, label in named:
        on_step(label)
        ran: list[Any] = []
        verdict = judge(subject, reference, request.threads, on_outputs=ran.extend)
        files.append(JudgedFile(label, verdict, subject.card))
        if ran:
            candidates.append(Candidate(label, subject.precision, ran, subject.path))
        agreements += compare_runtimes(
            *(subject, reference, ran or None, request.runtimes), threads=request.threads
        )
    return _Model(reference, tuple(files), tuple(candidates), tuple(drawn), tuple(agreements))


def _contact_sheets(models: Iterable[_Model]) -> Iterator[ContactSheet]:
    """Of a model that makes pictures: from all that its files drew for a trial, or the samples."""
    for model in models:
        reference, candidates = model.reference, model.candidates
        if reference.spec.read_message is not None:
            continue
        if model.drawn and len(model.drawn) == len(candidates):
            reference = reference.judged_by(model.drawn[0])
            candidates = tuple(
                replace(candidate, outputs=drawn.actual)
                for candidate, drawn in zip(candidates, model.drawn, strict=True)
            )
        yield make_contact_sheet(reference, candidates)


def _bit_sheets(request: Request, model: _Model) -> Iterator[BitSheet]:
    """Of a model that reads messages: in pictures marked for this, then in those of the verdict."""
    reference = model.reference
    if reference.spec.read_message is None:
        return
    if request.scenes is not None:
        yield _marked_sheet(request, model, request.scenes)
    names = [reference.name_of(place) for place in range(len(reference.inputs))]
    what = f"the samples of seed {reference.seed}, which carry no mark"
    if reference.pictures:
        what += f", and the {len(reference.pictures)} pictures given"
    title = f"{reference.spec.name}, in the samples of the verdict"
    yield make_bit_sheet(reference, model.candidates, (title, what), names)


def _marked_sheet(
    request: Request, model: _Model, scenes: Callable[[], Iterable[Pixels]]
) -> BitSheet:
    """What is read in pictures that the checkpoint's own embedder has marked."""
    reference = model.reference
    title = f"{reference.spec.name}, in marked pictures"
    what = "drawn pictures, each marked with a message of its own by the checkpoint's embedder"
    try:
        embedder = load_embedder_network(request.checkpoint)
    except BadInputError as error:
        return BitSheet(title, what, reason=str(error))
    marked = list(marked_pictures(embedder, scenes(), request.seed))
    inputs = [fit_pixels(reference.contract, picture.pixels) for picture in marked]
    network = reference.spec.open_network(request.checkpoint)
    answers = [reference.spec.reference(network, item) for item in inputs]
    read = Reference(
        *(reference.spec, reference.contract, reference.checkpoint_sha256, inputs, answers),
        seed=request.seed,
    )
    candidates = [
        Candidate(
            *(it.label, it.precision),
            run_on_samples(LiteRtSession(it.path, request.threads), inputs, lambda: None),
            it.path,
        )
        for it in model.candidates
    ]
    names = [
        f"says {write_message(picture.message)}, of which PyTorch reads "
        f"{_right(picture.message, reference.spec, answer)} of {len(picture.message)} bits"
        for picture, answer in zip(marked, answers, strict=True)
    ]
    return make_bit_sheet(read, candidates, (title, what), names)


def _right(message: Bits, spec: "ModelSpec", answer: "Arrays") -> int:
    """How many bits of the message the answer says."""
    assert spec.read_message is not None
    return sum(
        one == other for one, other in zip(message, spec.read_message(answer).bits, strict=True)
    )


def _audits(
    request: Request, models: Iterable[_Model], on_step: Callable[[str], None]
) -> Iterator[Audited]:
    for model in models if request.audit else ():
        given = model.candidates, request.subjects, request.checkpoint
        yield from audit(*given, seed=request.seed, on_step=on_step)


def _examined(
    request: Request, models: Iterable[_Model], on_step: Callable[[str], None]
) -> Iterator[Examined]:
    """Every file, or those that fail, as it was asked for."""
    for model in models:
        failed = {file.label for file in model.files if not file.verdict.passed}
        chosen = [it for it in model.candidates if it.label in failed or request.per_layer]
        if request.per_layer is not False:
            yield from examine(
                *(chosen, model.reference, request.subjects, request.checkpoint),
                threads=request.threads,
                on_step=on_step,
            )


def _insides(models: Iterable[_Model], request: Request) -> Iterator[Inside]:
    cards = {subject.path: subject.card for subject in request.subjects}
    for model in models:
        for candidate in model.candidates:
            weights, card = weights_by_module(candidate.path), cards[candidate.path]
            yield Inside(
                label=candidate.label,
                precision=candidate.precision,
                size_bytes=weights.size_bytes,
                bytes=make_byte_map(weights),
                ops=list_ops(candidate.path, weights, card.coverage if card else None),
                delegation=delegation(
                    candidate.path, LiteRtSession(candidate.path, request.threads)
                ),
            )
