"""`chunkport verify`: the verdict of .tflite files against their checkpoint."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from scripts._models import MODELS, PRECISIONS, named_model, spec_again, spec_option
from scripts._options import CHECKPOINT, TFLITE, chunkport_command
from scripts._output import Column, Output, number

_FAILED = 1
_MISSING = 3
_MARKS = {True: "pass", False: "FAIL", None: "skipped"}
_SENSES = {"at_most": "<=", "at_least": ">=", None: ""}


def _limit(row: Mapping[str, Any]) -> str:
    return "" if row["limit"] is None else f"{_SENSES[row['sense']]} {number(row['limit'])}"


_COLUMNS = (
    Column("name", "check"),
    Column("passed", "", lambda passed: _MARKS[passed]),
    Column("value", "value", number, right=True),
    Column("limit_text", "limit", right=True),
    Column("margin", "margin", number, right=True),
    Column("passing_limit", "would pass at", number, right=True),
    Column("meaning", "in plain words"),
)


@chunkport_command("verify")
@click.argument("files", type=TFLITE, nargs=-1, required=True)
@click.option("--checkpoint", type=CHECKPOINT, required=True, help="What they were made from.")
@click.option("--model", metavar="NAME", help=f"Of files without a card: {MODELS}.")
@spec_option
@click.option("--precision", metavar="NAME", help=f"Of files without a card: {PRECISIONS}.")
@click.option("--samples", type=click.IntRange(min=1), default=32, help="How many inputs.")
@click.option("--seed", type=int, default=0, help="Which inputs.")
@click.option("--num-threads", type=click.IntRange(min=1), default=2, help="Of the runtime.")
@click.option("--strict", is_flag=True, help="Exit 3 when a check could not run.")
def command(
    output: Output,
    files: tuple[Path, ...],
    checkpoint: Path,
    model: str | None,
    spec: str | None,
    precision: str | None,
    samples: int,
    seed: int,
    num_threads: int,
    strict: bool,
) -> int:
    """Compare FILES with the PyTorch network on the original weights, on seeded samples.

    Exits 0 when every file passes and 1 when one fails.
    """
    from verify.judge import compute_reference, identify, judge

    subjects = [identify(path, named_model(model, spec), precision) for path in files]
    verdicts = []
    references: dict[str, Any] = {}
    with output.progress("comparing", total=samples * (len(files) + 1)) as advance:
        for subject in subjects:
            if subject.model not in references:
                references[subject.model] = compute_reference(
                    subject.model, checkpoint, samples, seed, advance
                )
            verdicts.append(judge(subject, references[subject.model], num_threads, advance))
    for verdict in verdicts:
        document = verdict.to_json()
        rows = [
            {
                **check,
                "limit_text": _limit(check),
                "meaning": check["reason"] or check["explanation"],
            }
            for check in document["checks"]
        ]
        title = f"{verdict.path}  {verdict.precision}, {samples} samples, seed {seed}"
        output.table(None, title, _COLUMNS, rows)
        output.fact("files", [*output.document().get("files", []), document])
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
