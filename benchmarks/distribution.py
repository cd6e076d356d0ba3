"""What workers bring: python benchmarks/distribution.py CHECKPOINT FILE.tflite PICTURES.

Judges the file on a folder of pictures in this process and by workers, in turn. Starting the
workers is told apart from their work: it costs the same however long that is.
"""

import statistics
import time
from pathlib import Path

import click

from chunkport.errors import ChunkportError
from scripts._cli import run
from scripts._options import CHECKPOINT, FOLDER, TFLITE, chunkport_command
from scripts._output import Column, Output, number, ratio
from verify.benchmark.machine import machine
from verify.distribution import Workers, open_workers
from verify.judge import judge
from verify.reference import compute_reference
from verify.subject import Subject, identify
from verify.verdict import Verdict
from wrappers.picture_files import pictures_in

_SAMPLES = 1  # beside the pictures
_COLUMNS = (
    Column("way", "verdict by"),
    Column("seconds_p50", "seconds", number, right=True),
    Column("seconds_max", "at most", number, right=True),
    Column("speed_vs_alone", "speed", ratio, right=True),
)


@chunkport_command("distribution")
@click.argument("checkpoint", type=CHECKPOINT)
@click.argument("file", type=TFLITE)
@click.argument("folder", type=FOLDER)
@click.option("--workers", "count", type=click.IntRange(min=2), default=2, help="How many.")
@click.option("--rounds", type=click.IntRange(min=1), default=3, help="Of each way, in turn.")
@click.option("--num-threads", type=click.IntRange(min=1), default=1, help="Of the runtime.")
def command(
    output: Output,
    *,
    checkpoint: Path,
    file: Path,
    folder: Path,
    count: int,
    rounds: int,
    num_threads: int,
) -> None:
    """Measure one process and several on the same pictures."""
    subject, pictures = identify(file), pictures_in(folder)
    started = time.perf_counter()
    with open_workers(count) as workers:
        assert workers is not None
        list(workers.map_in_order(_import_all, range(count)))
        starting = time.perf_counter() - started
        ways: dict[str, Workers | None] = {"this process": None, f"{count} workers": workers}
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        verdicts: list[Verdict] = []
        with output.progress("judging", total=rounds * len(ways)) as advance:
            for _round in range(rounds):
                for way, hands in ways.items():
                    begun = time.perf_counter()
                    verdicts.append(_judge(subject, checkpoint, pictures, num_threads, hands))
                    seconds[way].append(time.perf_counter() - begun)
                    advance()
    if any(verdict != verdicts[0] for verdict in verdicts):
        raise ChunkportError("the verdicts differ; please report it with the files")
    alone = statistics.median(seconds["this process"])
    rows = [
        {
            "way": way,
            "seconds_p50": statistics.median(taken),
            "seconds_max": max(taken),
            "speed_vs_alone": alone / statistics.median(taken),
        }
        for way, taken in seconds.items()
    ]
    output.fact("machine", machine())
    output.fact("starting_seconds", starting, f"Starting the workers took {starting:.1f} s, once.")
    output.table("ways", f"{len(pictures)} pictures, the same verdict by either", _COLUMNS, rows)


def _import_all(_number: int) -> None:
    """Done once in each worker, so that it is counted with starting it."""
    import verify.runs_in_parts  # noqa: F401 - importing it is what takes the time


def _judge(
    subject: Subject,
    checkpoint: Path,
    pictures: list[Path],
    threads: int,
    workers: Workers | None,
) -> Verdict:
    reference = compute_reference(
        *(subject.model, checkpoint, _SAMPLES, 0),
        options=subject.options,
        pictures=pictures,
        workers=workers,
    )
    return judge(subject, reference, threads, workers=workers)


if __name__ == "__main__":
    run(command)
