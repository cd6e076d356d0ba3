"""`chunkport benchmark`: size, latency, memory and fidelity, side by side."""

import json
import shlex
import tempfile
from pathlib import Path

import click

from chunkport.errors import UsageError
from scripts._models import spec_again, spec_option
from scripts._options import CHECKPOINT, TFLITE, chunkport_command
from scripts._output import Column, Output, megabytes, number, ratio

_COLUMNS = (
    Column("name", "model"),
    Column("precision", "precision"),
    Column("size_bytes", "size", megabytes, right=True),
    Column("latency_p50_ms", "p50 ms", number, right=True),
    Column("latency_p90_ms", "p90 ms", number, right=True),
    Column("peak_memory_bytes", "memory", megabytes, right=True),
    Column("speed_vs_pytorch", "vs PyTorch", ratio, right=True),
    Column("speed_vs_plain", "vs plain", ratio, right=True),
    Column("psnr_db", "PSNR dB", number, right=True),
)


@chunkport_command("benchmark")
@click.argument("files", type=TFLITE, nargs=-1, required=True)
@click.option("--checkpoint", type=CHECKPOINT, required=True, help="What they were made from.")
@spec_option
@click.option("--rounds", type=click.IntRange(min=1), default=20, help="Turns for each.")
@click.option("--num-threads", type=click.IntRange(min=1), default=2, help="Of every runtime.")
@click.option("--samples", type=click.IntRange(min=1), default=16, help="Inputs for the PSNR.")
@click.option(
    "--plain/--no-plain",
    default=True,
    help="Also convert without our rewrites, in the same precisions, and measure that.",
)
@click.option("-o", "--output", "target", type=click.Path(path_type=Path), help="Also as JSON.")
def command(
    output: Output,
    files: tuple[Path, ...],
    checkpoint: Path,
    spec: str | None,
    rounds: int,
    num_threads: int,
    samples: int,
    plain: bool,
    target: Path | None,
) -> None:
    """Measure FILES and PyTorch in turn, in one run.

    Speeds are ratios of median latencies; above 1 is faster. "plain" is the conversion that one
    gets without our rewrites.
    """
    from chunkport.files import replacing
    from convert.pipeline import convert_checkpoint
    from verify.benchmark import contender_of, machine, measure
    from verify.reference import compute_reference
    from verify.subject import identify

    subjects = [identify(path, spec) for path in files]
    models = sorted({subject.model for subject in subjects})
    if len(models) > 1:
        raise UsageError(f"files of several models ({', '.join(models)}); benchmark them apart")
    options = subjects[0].options
    if any(subject.options != options for subject in subjects):
        raise UsageError("files with other inputs or outputs than the first; benchmark them apart")
    reference = compute_reference(models[0], checkpoint, samples, seed=0, options=options)
    contenders = [contender_of(path) for path in files]
    with tempfile.TemporaryDirectory() as folder:
        if plain:
            with output.progress("converting without rewrites"):
                precisions = [item.precision for item in contenders]
                conversion = convert_checkpoint(
                    checkpoint,
                    models[0],
                    precisions,
                    Path(folder),
                    options=options,
                    variant="plain",
                    show_output=output.verbose,
                )
            contenders += [
                contender_of(file.path, f"plain {file.precision}") for file in conversion.files
            ]
        turns = rounds * (len(contenders) + 1)
        with output.progress("measuring", total=turns) as advance:
            rows = measure(
                models[0],
                checkpoint,
                contenders,
                reference,
                threads=num_threads,
                rounds=rounds,
                options=options,
                on_turn=advance,
            )
    output.fact("model", models[0])
    output.fact("num_threads", num_threads)
    output.fact("rounds", rounds)
    output.fact("machine", machine())
    title = f"{models[0]}, {num_threads} threads, {rounds} rounds, interleaved"
    output.table("contenders", title, _COLUMNS, [row.to_json() for row in rows])
    if target is not None:
        with replacing(target) as temporary:
            temporary.write_text(json.dumps(output.document(), indent=2), encoding="utf-8")
    paths, source = shlex.join(map(str, files)), shlex.quote(str(checkpoint))
    saved = f" --benchmark {shlex.quote(str(target))}" if target else ""
    output.next_step(
        f"chunkport report {paths} --checkpoint {source}{spec_again(spec)}{saved} -o report.html"
    )


if __name__ == "__main__":
    from scripts._cli import run

    run(command)
