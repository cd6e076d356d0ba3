"""`chunkport verify`: the verdict of .tflite files against their checkpoint."""

import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chunkport.errors import UsageError
from scripts._models import MODELS, PRECISIONS, named_model, spec_again, spec_option
from scripts._options import CHECKPOINT, FOLDER, TFLITE, chunkport_command
from scripts._output import Output
from scripts._verdicts import show_messages, show_verdict

if TYPE_CHECKING:
    from verify.verdict import Figure

_FAILED = 1
_MISSING = 3
_SAMPLES = 32


def _read_samples(
    context: click.Context, parameter: click.Parameter, value: Any
) -> tuple[int, Path | None]:
    """How many samples, and the folder of pictures where that was named instead."""
    if not value.lstrip("+-").isdecimal():
        if Path(value).is_dir():
            return _SAMPLES, Path(value)
        raise click.BadParameter(f"'{value}' is neither a number nor a folder")
    return click.IntRange(min=1).convert(value, parameter, context), None


@chunkport_command("verify")
@click.argument("files", type=TFLITE, nargs=-1, required=True)
@click.option("--checkpoint", type=CHECKPOINT, required=True, help="What they were made from.")
@click.option("--model", metavar="NAME", help=f"Of files without a card: {MODELS}.")
@spec_option
@click.option("--precision", metavar="NAME", help=f"Of files without a card: {PRECISIONS}.")
@click.option(
    "--samples",
    metavar="N|DIR",
    default=str(_SAMPLES),
    callback=_read_samples,
    help="How many inputs; a folder is taken as --samples-dir.",
)
@click.option("--seed", type=int, default=0, help="Which inputs.")
@click.option("--samples-dir", type=FOLDER, help="Pictures of your own, judged along with these.")
@click.option("--num-threads", type=click.IntRange(min=1), default=2, help="Of the runtime.")
@click.option(
    "--limit",
    "limits",
    metavar="NAME=VALUE",
    multiple=True,
    help="Of a row of the table, in place of the model's own; may be repeated.",
)
@click.option("--strict", is_flag=True, help="Exit 3 when a check could not run.")
def command(
    output: Output,
    files: tuple[Path, ...],
    checkpoint: Path,
    model: str | None,
    spec: str | None,
    precision: str | None,
    samples: tuple[int, Path | None],
    seed: int,
    samples_dir: Path | None,
    num_threads: int,
    limits: tuple[str, ...],
    strict: bool,
) -> int:
    """Compare FILES with the PyTorch network on the original weights, on seeded samples.

    Of a watermark detector it also shows the messages read in the pictures of --samples-dir.
    Exits 0 when every file passes and 1 when one fails.
    """
    from verify.judge import judge
    from verify.limits import figures_of, parse_limits
    from verify.reference import compute_reference, pictures_in
    from verify.subject import identify
    from verify.trials import TrialChoices
    from wrappers.registry import find_spec

    count, folder = samples
    if folder and samples_dir:
        raise UsageError(f"--samples {folder}, --samples-dir {samples_dir}: name one folder")
    folder = folder or samples_dir
    subjects = [identify(path, named_model(model, spec), precision) for path in files]
    choices = TrialChoices()
    figures: dict[str, Figure] = {}
    for subject in subjects:
        figures |= figures_of(find_spec(subject.model, subject.options), choices)
    by_hand = parse_limits(limits, figures)
    verdicts = []
    pictures = pictures_in(folder) if folder else []
    references: dict[Any, Any] = {}
    answers: dict[Any, dict[str, Any]] = {}
    turns = (count + len(pictures)) * (len(files) + 1)
    with output.progress("comparing", total=turns) as advance:
        for subject in subjects:
            kind = subject.model, subject.options
            if kind not in references:
                references[kind] = compute_reference(
                    subject.model,
                    checkpoint,
                    count,
                    seed,
                    advance,
                    options=subject.options,
                    pictures=pictures,
                    trials=choices,
                    on_note=lambda note: advance(0, note=note),
                )
            keep = partial(answers.setdefault(kind, {}).__setitem__, str(subject.path))
            reference = references[kind]
            verdicts.append(judge(subject, reference, num_threads, advance, keep, by_hand=by_hand))
    for verdict in verdicts:
        show_verdict(output, verdict)
    for kind, reference in references.items():
        show_messages(output, reference, answers[kind])
    failed = [str(verdict.path) for verdict in verdicts if not verdict.passed]
    summary = (
        f"FAILED: {', '.join(failed)}"
        if failed
        else f"PASSED: {len(verdicts)} of {len(verdicts)} files"
    )
    output.fact("passed", not failed, summary)
    if failed:
        return _FAILED
    paths = shlex.join(map(str, files))
    source = shlex.quote(str(checkpoint))
    output.next_step(f"chunkport benchmark {paths} --checkpoint {source}{spec_again(spec)}")
    return _MISSING if strict and not all(verdict.complete for verdict in verdicts) else 0


if __name__ == "__main__":
    from scripts._cli import run

    run(command)
