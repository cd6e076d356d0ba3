"""`chunkport report`: one offline HTML file of verdicts, pictures, speed and origin."""

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chunkport.errors import UsageError
from scripts._build_options import flags_of
from scripts._models import MODELS, PRECISIONS, named_model, spec_option
from scripts._options import CHECKPOINT, FOLDER, TFLITE, chunkport_command
from scripts._output import Output
from scripts._runtimes import runtime_option
from scripts._watermarks import drawn_scenes

if TYPE_CHECKING:
    from verify.benchmark_document import BenchmarkDocument
    from verify.report import CommandLine, JudgedFile
    from verify.runtimes import Runtime

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
@click.option("--samples-dir", type=FOLDER, help="Pictures of your own, judged along with these.")
@click.option(
    "--show-marked",
    type=click.IntRange(min=0),
    default=12,
    help="How many pictures to mark and read, of a checkpoint that holds an embedder.",
)
@runtime_option
@click.option("--audit/--no-audit", default=True, help="Look for risks on phone GPUs.")
@click.option(
    "--per-layer/--no-per-layer",
    default=None,
    help="Find the layer in which a file departs first.  [default: of files that fail]",
)
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
    samples_dir: Path | None,
    show_marked: int,
    runtimes: "tuple[Runtime, ...]",
    audit: bool,
    per_layer: bool | None,
    num_threads: int,
    force: bool,
) -> int:
    """Judge FILES against the PyTorch network and write all that was found as one HTML file.

    The page needs no network and no scripts. It is written also when a file fails, or differs in
    another --runtime; the exit code is then 1.
    """
    from chunkport.files import make_folder
    from verify.benchmark_document import read_benchmark
    from verify.report import CommandLine
    from verify.report.assembly import Request, assemble
    from verify.report.page import write_report
    from verify.subject import identify
    from wrappers.picture_files import pictures_in

    if target.exists() and not force:
        raise UsageError(f"{target}: already there; add --force to replace")
    make_folder(target.parent)  # before the long work, not after it
    measured = read_benchmark(benchmark) if benchmark else None
    named = named_model(model, spec)
    request = Request(
        checkpoint=checkpoint,
        subjects=[identify(path, named, precision, damaged_too=True) for path in files],
        samples=samples,
        seed=seed,
        threads=num_threads,
        runtimes=runtimes,
        pictures=pictures_in(samples_dir) if samples_dir else (),
        scenes=partial(drawn_scenes, show_marked, seed) if show_marked else None,
        benchmark=measured,
        audit=audit,
        per_layer=per_layer,
    )
    with output.progress("comparing") as advance:
        report = assemble(request, lambda note: advance(note=note))
    given: list[tuple[str, object]] = [
        ("--model", model),
        ("--spec", spec),
        ("--precision", precision),
        ("--samples", samples),
        ("--seed", seed),
        ("--samples-dir", samples_dir),
        ("--num-threads", num_threads),
        *(("--runtime", name) for name in _names(runtimes)),
    ]
    same = [*files, "--checkpoint", checkpoint, *_flags(given)]
    page = _flags(
        [("--benchmark", benchmark), ("--show-marked", show_marked), ("--output", target)]
    )
    page += [] if audit else ["--no-audit"]
    page += {True: ["--per-layer"], False: ["--no-per-layer"], None: []}[per_layer]
    report = replace(
        report,
        commands=(
            *_conversions(checkpoint, report.files),
            CommandLine("judge them", _line("verify", *same)),
            *_measurement(benchmark, measured, [*files, "--checkpoint", checkpoint]),
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


def _names(runtimes: "Sequence[Runtime]") -> list[str]:
    """What was asked for; each by its name would be an error where one is missing."""
    from verify.runtimes import RUNTIMES

    everything = len(runtimes) == len(RUNTIMES)
    return ["all"] if everything else [runtime.name for runtime in runtimes]


def _measurement(
    path: Path | None, measured: "BenchmarkDocument | None", given: Sequence[object]
) -> "Iterator[CommandLine]":
    """The measurement of these files, as the document says that it was taken."""
    from verify.report import CommandLine

    if measured is not None:
        told = measured.circumstances
        threads = filter(None, told.get("num threads", "").split(", "))
        flags: list[tuple[str, object]] = [("--num-threads", count) for count in threads]
        flags += [("--rounds", told.get("rounds")), ("--output", path)]
        yield CommandLine("measure them", _line("benchmark", *given, *_flags(flags)))


def _flags(pairs: Iterable[tuple[str, object]]) -> list[object]:
    """The flags that were given, each before its value."""
    return [part for pair in pairs if pair[1] is not None for part in pair]


def _line(*parts: object) -> str:
    return shlex.join(["chunkport", *map(str, parts)])


if __name__ == "__main__":
    from scripts._cli import run

    run(command)
