"""`chunkport verify`: the verdict of .tflite files against their checkpoint."""

import shlex
from functools import partial
from pathlib import Path
from typing import Any

import click

from chunkport.errors import UsageError
from scripts._models import MODELS, PRECISIONS, named_model, spec_again, spec_option
from scripts._options import CHECKPOINT, FOLDER, TFLITE, chunkport_command
from scripts._output import Output
from scripts._verdicts import show_messages, show_verdict

_FAILED = 1
_MISSING = 3
_SAMPLES = 32


class _Samples(click.IntRange):
    """How many samples, or a folder of pictures."""

    name = "integer or folder"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | Path:
        """The number, or the folder where the value is none."""
        if isinstance(value, str) and not value.lstrip("+-").isdecimal() and Path(value).is_dir():
            return Path(value)
        count: int = super().convert(value, param, ctx)
        return count


@chunkport_command("verify")
@click.argument("files", type=TFLITE, nargs=-1, required=True)
@click.option("--checkpoint", type=CHECKPOINT, required=True, help="What they were made from.")
@click.option("--model", metavar="NAME", help=f"Of files without a card: {MODELS}.")
@spec_option
@click.option("--precision", metavar="NAME", help=f"Of files without a card: {PRECISIONS}.")
@click.option(
    "--samples",
    type=_Samples(min=1),
    default=_SAMPLES,
    metavar="N|DIR",
    help="How many inputs; a folder is taken as --samples-dir.",
)
@click.option("--seed", type=int, default=0, help="Which inputs.")
@click.option("--samples-dir", type=FOLDER, help="Pictures of your own, judged along with these.")
@click.option("--num-threads", type=click.IntRange(min=1), default=2, help="Of the runtime.")
@click.option("--strict", is_flag=True, help="Exit 3 when a check could not run.")
def command(
    output: Output,
    files: tuple[Path, ...],
    checkpoint: Path,
    model: str | None,
    spec: str | None,
    precision: str | None,
    samples: int | Path,
    seed: int,
    samples_dir: Path | None,
    num_threads: int,
    strict: bool,
) -> int:
    """Compare FILES with the PyTorch network on the original weights, on seeded samples.

    Of a watermark detector it also shows the messages read in the pictures of --samples-dir.
    Exits 0 when every file passes and 1 when one fails.
    """
    from verify.judge import identify, judge
    from verify.reference import compute_reference, pictures_in

    if isinstance(samples, Path):
        if samples_dir is not None:
            raise UsageError(f"--samples {samples} and --samples-dir {samples_dir}: name one folder")
        samples, samples_dir = _SAMPLES, samples
    subjects = [identify(path, named_model(model, spec), precision) for path in files]
    verdicts = []
    pictures = pictures_in(samples_dir) if samples_dir else []
    references: dict[Any, Any] = {}
    answers: dict[Any, dict[str, Any]] = {}
    turns = (samples + len(pictures)) * (len(files) + 1)
    with output.progress("comparing", total=turns) as advance:
        for subject in subjects:
            kind = subject.model, subject.options
            if kind not in references:
                references[kind] = compute_reference(
                    subject.model,
                    checkpoint,
                    samples,
                    seed,
                    advance,
                    options=subject.options,
                    pictures=pictures,
                )
            keep = partial(answers.setdefault(kind, {}).__setitem__, str(subject.path))
            verdicts.append(judge(subject, references[kind], num_threads, advance, keep))
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
