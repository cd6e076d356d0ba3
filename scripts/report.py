"""`chunkport report`: one offline HTML file of verdicts, pictures, speed and origin."""

import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chunkport.errors import UsageError
from scripts._build_options import flags_of
from scripts._models import MODELS, PRECISIONS, named_model, spec_option
from scripts._options import CHECKPOINT, TFLITE, chunkport_command
from scripts._output import Output

if TYPE_CHECKING:
    from verify.report import CommandLine, JudgedFile

_FAILED = 1


@chunkport_command("report")
@click.argument("files", type=TFLITE, nargs=-1, required=True)
@click.option("--checkpoint", type=CHECKPOINT, required=True, help="What they were made from.")
@click.option("--model", metavar="NAME", help=f"Of files without a card: {MODELS}.")
@spec_option
@click.option("--precision", metavar="NAME", help=f"Of files without a card: {PRECISIONS}.")
@click.option(
    "--benchmark",
    type=click.Path(path_type=Path),
    help="What `chunkport benchmark --output` wrote, to be shown too.",
)
@click.option(
    "-o",
    "--output",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    default="report.html",
    help="The page.",
)
@click.option("--samples", type=click.IntRange(min=1), default=32, help="How many inputs.")
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Which inputs.")
@click.option("--num-threads", type=click.IntRange(min=1), default=2, help="Of the runtime.")
@click.option("--force", is_flag=True, help="Replace a page that is already there.")
def command(
    output: Output,
    files: tuple[Path, ...],
    checkpoint: Path,
    model: str | None,
    spec: str | None,
    precision: str | None,
    benchmark: Path | None,
    target: Path,
    samples: int,
    seed: int,
    num_threads: int,
    force: bool,
) -> int:
    """Judge FILES against the PyTorch network and write all that was found as one HTML file.

    The page needs no network and no scripts. It is written also when a file fails; the exit code
    is then 1.
    """
    from chunkport.files import make_folder
    from verify.benchmark_document import read_benchmark
    from verify.contact_sheet import Candidate, make_contact_sheet
    from verify.judge import judge
    from verify.reference import compute_reference
    from verify.report import CommandLine, JudgedFile, Report, labels_of, write_report
    from verify.subject import identify
    from verify.trials import TrialChoices

    if target.exists() and not force:
        raise UsageError(f"{target}: already there; add --force to replace")
    make_folder(target.parent)  # before the long work, not after it
    measured = read_benchmark(benchmark) if benchmark else None
    labels = labels_of(files)
    named = named_model(model, spec)
    subjects = [identify(path, named, precision, damaged_too=True) for path in files]
    judged, sheets, models = [], [], {}
    with output.progress("comparing") as advance:
        for name, options in dict.fromkeys((it.model, it.options) for it in subjects):
            advance(note=name)
            reference = compute_reference(
                *(name, checkpoint, samples, seed, advance), options=options, trials=TrialChoices()
            )
            models[name] = reference.spec.summary
            candidates: list[Candidate] = []
            for subject, label in zip(subjects, labels, strict=True):
                if (subject.model, subject.options) != (name, options):
                    continue
                ran: list[Any] = []
                verdict = judge(subject, reference, num_threads, advance, on_outputs=ran.extend)
                judged.append(JudgedFile(label, verdict, subject.card))
                if ran:
                    candidates.append(Candidate(label, subject.precision, ran))
            sheets.append(make_contact_sheet(reference, candidates))
    given: list[tuple[str, object]] = [
        ("--model", model),
        ("--spec", spec),
        ("--precision", precision),
    ]
    given += [("--samples", samples), ("--seed", seed)]
    same = [*files, "--checkpoint", checkpoint, *_flags(given)]
    page = _flags([("--benchmark", benchmark), ("--output", target)])
    report = Report(
        checkpoint=str(checkpoint),
        models=models,
        files=tuple(judged),
        sheets=tuple(sheets),
        benchmark=measured,
        commands=(
            *_conversions(checkpoint, judged),
            CommandLine("judge them", _line("verify", *same)),
            CommandLine("write this page", _line("report", *same, *page)),
        ),
    )
    write_report(report, target)
    output.fact("path", str(target), f"{report.headline}. {report.conclusion}")
    output.fact("size_bytes", target.stat().st_size)
    output.fact("passed", report.passed)
    output.next_step(f"python -m webbrowser {shlex.quote(target.resolve().as_uri())}")
    return 0 if report.passed else _FAILED


def _conversions(checkpoint: Path, files: "Iterable[JudgedFile]") -> "Iterator[CommandLine]":
    """The conversions that the cards tell of, where they are of this checkpoint."""
    from verify.report import CommandLine
    from wrappers.spec import BuildOptions

    made: dict[tuple[str, BuildOptions, str, Path], list[str]] = {}
    for file in files:
        card = file.card
        (lineage,) = [check for check in file.verdict.checks if check.name == "lineage"]
        if card is not None and lineage.passed:
            options = BuildOptions.from_json(card.options)
            place = (file.verdict.model, options, card.variant, file.verdict.path.parent)
            made.setdefault(place, []).append(card.precision)
    for (model, options, variant, folder), precisions in made.items():
        named = ("--spec" if ".py:" in model else "--model", model)
        flags = [named, *(("--precision", name) for name in precisions), ("--output-dir", folder)]
        how = flags_of(options) + (["--plain"] if variant == "plain" else [])
        yield CommandLine(
            "convert the checkpoint", _line("convert", checkpoint, *_flags(flags), *how)
        )


def _flags(pairs: Iterable[tuple[str, object]]) -> list[object]:
    """The flags that were given, each before its value."""
    return [part for pair in pairs if pair[1] is not None for part in pair]


def _line(*parts: object) -> str:
    return shlex.join(["chunkport", *map(str, parts)])


if __name__ == "__main__":
    from scripts._cli import run

    run(command)
