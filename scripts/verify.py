"""`chunkport verify`: the verdict of .tflite files against their checkpoint."""

import json
import shlex
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chunkport.errors import UsageError
from chunkport.files import make_folder, replacing
from scripts._distribution import workers_for, workers_options
from scripts._layers import show_layers
from scripts._models import MODELS, PRECISIONS, named_model, spec_again, spec_option
from scripts._options import CHECKPOINT, FOLDER, TFLITE, NumberRange, chunkport_command
from scripts._output import Output
from scripts._runtimes import run_in_runtimes, runtime_option
from scripts._verdicts import show_messages, show_verdicts
from scripts._worst import DrawnPictures, refuse_sheets

if TYPE_CHECKING:
    from verify.reference import Reference
    from verify.runtime_agreement import Agreement
    from verify.runtimes import Runtime
    from verify.subject import Subject
    from verify.trials import TrialChoices
    from verify.verdict import Figure, Verdict
    from wrappers.spec import BuildOptions, Limit

    Kind = tuple[str, BuildOptions]

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
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Which inputs.")
@click.option("--samples-dir", type=FOLDER, help="Pictures of your own, judged along with these.")
@click.option("--num-threads", type=click.IntRange(min=1), default=2, help="Of the runtime.")
@click.option(
    "--limit",
    "limits",
    metavar="NAME=VALUE",
    multiple=True,
    help="Of a row, in place of the model's own, at most or at least as before; may be repeated.",
)
@runtime_option
@click.option(
    "--attacks",
    metavar="NAME|all",
    multiple=True,
    help="On a detector's marked pictures, as of attack-watermark.  [default: five of them]",
)
@click.option("--marked", type=FOLDER, help="Pictures that were marked elsewhere, for a detector.")
@click.option("--message", metavar="HEX|BITS", help="What the --marked pictures say.")
@click.option("--latency", is_flag=True, help="Also measure what a run takes.")
@click.option(
    "--baseline", type=click.Path(path_type=Path), help="An earlier verdict; fail if it was better."
)
@click.option(
    "--baseline-latency",
    type=NumberRange(1),
    default=1.5,
    help="How many times the baseline's latency is no regression.",
)
@click.option(
    "-o",
    "--output",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write the verdict as JSON, as for --baseline.",
)
@click.option("--force", is_flag=True, help="Replace what is already there.")
@click.option("--per-layer", is_flag=True, help="Find the layer in which a file departs first.")
@click.option("--worst", type=FOLDER, help="Where to draw a generator's worst pictures.")
@click.option("--strict", is_flag=True, help="Exit 3 when a check could not run.")
@workers_options
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
    runtimes: "tuple[Runtime, ...]",
    attacks: tuple[str, ...],
    marked: Path | None,
    message: str | None,
    latency: bool,
    baseline: Path | None,
    baseline_latency: float,
    target: Path | None,
    force: bool,
    per_layer: bool,
    worst: Path | None,
    strict: bool,
    workers: int,
    ray_address: str | None,
) -> int:
    """Compare FILES with the PyTorch network on the original weights, on seeded samples.

    A watermark detector is also asked to read marks, after attacks too: made with the checkpoint's
    own embedder, or --marked elsewhere; and the messages in the pictures of --samples-dir are
    shown. Every row has its value, its limit, how far inside it lies, and the limit that would have
    passed. Exits 0 when every file passes and 1 when one fails, or differs in another --runtime.
    """
    from verify.baseline import latency_bounds, read_baseline, with_regressions
    from verify.benchmark.machine import machine
    from verify.judge import judge
    from verify.latency import with_latencies
    from verify.reference import compute_reference
    from verify.subject import identify

    count, pictures = _inputs(samples, samples_dir)
    _check_target(target, force=force)
    earlier = read_baseline(baseline) if baseline else None
    named = named_model(model, spec)
    subjects = [identify(path, named, precision, damaged_too=True) for path in files]
    if worst is not None and not force:
        refuse_sheets(worst, subjects)
    choices = _trial_choices(attacks, marked, message)
    by_hand = _limits_by_hand(subjects, choices, limits)
    verdicts: list[Verdict] = []
    references: dict[Kind, Reference] = {}
    answers: dict[Kind, dict[str, Any]] = {}
    drawn = DrawnPictures()
    turns = (count + len(pictures)) * (len(files) + 1)
    with (
        output.progress("comparing", total=turns) as advance,
        workers_for(output, workers, ray_address, advance) as hands,
    ):
        for subject in subjects:
            kind = subject.model, subject.options
            if kind not in references:
                references[kind] = compute_reference(
                    *(subject.model, checkpoint, count, seed, advance),
                    options=subject.options,
                    pictures=pictures,
                    trials=choices,
                    on_note=lambda note: advance(0, note=note),
                    on_drawn=drawn.keep,
                    workers=hands,
                )
            keep = partial(answers.setdefault(kind, {}).__setitem__, str(subject.path))
            reference = references[kind]
            judged = judge(
                *(subject, reference, num_threads, advance, keep), by_hand=by_hand, workers=hands
            )
            verdicts.append(judged)
            drawn.name(subject, reference)
    if latency:
        inputs = [references[subject.model, subject.options].inputs[0] for subject in subjects]
        bounds = latency_bounds(verdicts, earlier, baseline_latency)
        with output.progress("measuring"):
            verdicts = with_latencies(verdicts, inputs, num_threads, bounds)
        output.fact("machine", machine())
    if earlier is not None:
        verdicts = with_regressions(verdicts, earlier, baseline_latency, machine()["cpu"])
    show_verdicts(output, verdicts)
    for kind, reference in references.items():
        show_messages(output, reference, answers[kind])
    drawn.write_worst(output, worst, references.values())
    agreements = run_in_runtimes(output, runtimes, subjects, references, answers, num_threads)
    show_layers(
        *(output, checkpoint, subjects if per_layer else ()), references, answers, num_threads
    )
    failed = _conclude(output, verdicts, agreements)
    if not failed:
        paths, source = shlex.join(map(str, files)), shlex.quote(str(checkpoint))
        output.next_step(f"chunkport benchmark {paths} --checkpoint {source}{spec_again(spec)}")
    _write(output, target)
    complete = all(verdict.complete for verdict in verdicts) and all(
        row.agrees is not None for row in agreements
    )
    return _FAILED if failed else _MISSING if strict and not complete else 0


def _inputs(samples: tuple[int, Path | None], samples_dir: Path | None) -> tuple[int, list[Path]]:
    """How many samples, and the user's pictures.

    Raises:
        UsageError: two folders were named, or the one holds no picture.
    """
    from wrappers.picture_files import pictures_in

    count, folder = samples
    if folder and samples_dir:
        raise UsageError(f"--samples {folder}, --samples-dir {samples_dir}: name one folder")
    folder = folder or samples_dir
    return count, pictures_in(folder) if folder else []


def _check_target(target: Path | None, *, force: bool) -> None:
    """Refuse a place to write to before the long work, not after it.

    Raises:
        UsageError: something is there already, or its folder cannot be written to.
    """
    if target is not None:
        if target.exists() and not force:
            raise UsageError(f"{target}: already there; add --force to replace")
        make_folder(target.parent)


def _write(output: Output, target: Path | None) -> None:
    if target is not None:
        with replacing(target) as temporary:
            temporary.write_text(json.dumps(output.document(), indent=2), encoding="utf-8")


def _conclude(
    output: Output, verdicts: "Sequence[Verdict]", agreements: "Sequence[Agreement]"
) -> bool:
    """Say whether all passed; gives whether one failed."""
    differing = {row.path for row in agreements if row.agrees is False}
    failed = [str(it.path) for it in verdicts if not it.passed or it.path in differing]
    total = len(verdicts)
    summary = f"FAILED: {', '.join(failed)}" if failed else f"PASSED: {total} of {total} files"
    output.fact("passed", not failed, summary)
    return bool(failed)


def _limits_by_hand(
    subjects: "Sequence[Subject]", choices: "TrialChoices", limits: Sequence[str]
) -> "tuple[Limit, ...]":
    """What was given as --limit.

    Raises:
        UsageError: no limit, of no row of these files, or marks for a model that reads none.
    """
    from verify.limits import figures_of, parse_limits
    from wrappers.registry import find_spec

    figures: dict[str, Figure] = {}
    for subject in subjects:
        figures |= figures_of(find_spec(subject.model, subject.options), choices)
    if (choices.attacks or choices.marked) and "marked_bits_flipped" not in figures:
        raise UsageError("--attacks and --marked are for watermark detectors; leave them out")
    return parse_limits(limits, figures)


def _trial_choices(
    attacks: Sequence[str], marked: Path | None, message: str | None
) -> "TrialChoices":
    """What was said of marks.

    Raises:
        UsageError: marked pictures without their message, or the other way; an unknown attack.
    """
    from verify.attacks import ATTACKS, find_attack
    from verify.trials import TrialChoices
    from wrappers.picture_files import pictures_in

    if (marked is None) != (message is None):
        raise UsageError("--marked names pictures and --message what they say; give both")
    if "all" in attacks:
        attacks = [attack.name for attack in ATTACKS]
    return TrialChoices(
        attacks=tuple(find_attack(name).name for name in dict.fromkeys(attacks)),
        marked=tuple(pictures_in(marked)) if marked else (),
        message=message,
    )


if __name__ == "__main__":
    from scripts._cli import run

    run(command)
